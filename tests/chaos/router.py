"""Carries the packets of a network that exists in this process only; cuts, delays and loses them.

Runs as a process of its own: ``python -m chaos.router FD=ADDRESS ...``, each FD a TUN device that stands
in the network namespace of one host. Each line of the input is a ``Weather`` in JSON.
"""

from __future__ import annotations

import heapq
import json
import os
import random
import select
import socket
import sys
import time
from dataclasses import dataclass, field

LARGEST = 65_536


@dataclass
class Weather:
    """What becomes of packets.

    Attributes:
        cut: pairs of addresses between which none arrives, in both directions.
        delay: seconds that each is on its way.
        jitter: up to so many seconds more.
        loss: the part of them that is lost, 0 to 1.
    """

    cut: list[tuple[str, str]] = field(default_factory=list)
    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


class Router:
    """Reads from each host's device, and writes to that of the host that is meant."""

    def __init__(self, devices: dict[int, str]) -> None:
        self._devices = {socket.inet_aton(address): device for device, address in devices.items()}
        self._weather = Weather()
        self._cut: set[tuple[bytes, bytes]] = set()
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._latest: dict[tuple[bytes, bytes], float] = {}
        self._number = 0

    def serve(self) -> None:
        """Until the input ends."""
        poll = select.poll()
        for device in (0, *self._devices.values()):
            poll.register(device, select.POLLIN)
        while True:
            wait = self._under_way[0][0] - time.monotonic() if self._under_way else 1.0
            ready = [device for device, _ in poll.poll(max(0.0, wait * 1000))]
            if 0 in ready:
                line = sys.stdin.buffer.readline()
                if not line:
                    return
                self._change(Weather(**json.loads(line)))
            for device in ready:
                if device:
                    self._take(os.read(device, LARGEST))
            while self._under_way and self._under_way[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(self._under_way)
                _put(device, packet)

    def _change(self, weather: Weather) -> None:
        self._weather = weather
        pairs = [(socket.inet_aton(one), socket.inet_aton(other)) for one, other in weather.cut]
        self._cut = {*pairs, *((other, one) for one, other in pairs)}

    def _take(self, packet: bytes) -> None:
        way = packet[12:16], packet[16:20]
        device = self._devices.get(way[1])
        if packet[0] >> 4 != 4 or device is None or way in self._cut:
            return
        if self._weather.loss and random.random() < self._weather.loss:
            return
        if not self._weather.delay and way not in self._latest:
            _put(device, packet)
            return
        # None overtakes another on the same way.
        arrival = time.monotonic() + self._weather.delay + random.random() * self._weather.jitter
        self._latest[way] = max(arrival, self._latest.get(way, 0.0))
        self._number += 1
        heapq.heappush(self._under_way, (self._latest[way], self._number, device, packet))
        if not self._weather.delay and self._latest[way] <= time.monotonic():
            del self._latest[way]


def _put(device: int, packet: bytes) -> None:
    try:
        os.write(device, packet)
    except OSError:
        return  # the host is gone, or its queue is full: lost, as packets are


if __name__ == "__main__":
    pairs = (argument.split("=") for argument in sys.argv[1:])
    Router({int(device): address for device, address in pairs}).serve()
