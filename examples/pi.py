#!/usr/bin/env python3
"""Posts what a Pi hears to a Houseful collector, and keeps it while that is away.

Reads emissions from standard input as they are heard, one JSON object a line:

    {"badge_id": "badge_0", "beacons": {"beacon_1": -57, "beacon_2": -90}}

One that does not say when it was heard (by heard_at, or by age_ms before it was
written) was heard when it was read. Each is posted at once, on one connection,
until the collector has it (201, 409), always with its time: nothing is stored twice.
What can never be stored (400, 413, 415 with the collector's own body; no JSON object)
is set aside. Mended, it goes: jq -c .emission SPOOL/rejected.ndjson | pi.py --pi-id 32

While the collector answers, nothing is written, which spares an SD card. While it is
away, what is heard is written to SPOOL and synced every second: a kill or a power cut
costs the last second, or what waits for an answer (5 s at most). When SPOOL is full,
the oldest go; when its disk fails, memory holds the last 10,000.

A time is sent as an age by the clock that nobody sets: the Pi's wall clock may be
wrong. That clock ends with a boot: what was heard before it gets the wall clock's
time, as NTP had set it by the last line written then. Without NTP it is as wrong.

At the end of its input it has a minute to send what waits. SIGTERM, SIGINT and
SIGHUP end it within seconds. SPOOL waits for the next start. Needs Linux, Python 3.7.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterable, List, NamedTuple, Optional
from urllib.parse import urlsplit

EXAMPLES = """examples:
  scanner | pi.py --pi-id 32 --url http://10.0.0.5:6540
  scanner | pi.py --pi-id 32 --spool /run/pi-spool   in memory: a reboot costs it
  pi.py --pi-id 32 < /dev/null                       what waits in the spool"""

LINE_BYTES_MAX = ANSWER_BYTES_MAX = 64 * 1024
FILE_BYTES = 256 * 1024  # of the spool's files; after a power cut, one may be sent once more
REJECTED_BYTES_MAX = 8 * 1024 * 1024
MEMORY_MAX, FLUSH_MAX = 10_000, 500  # emissions
ANSWER_S_MAX, FLUSH_EVERY_S, END_S_MAX = 5.0, 1.0, 60.0
PAUSE_S_MIN, PAUSE_S_MAX, RETRY_AFTER_S_MAX = 0.5, 30.0, 600.0
UNDELIVERED_MS_MAX, CUT_AT_CLOSE = 3000, struct.pack("ii", 1, 0)
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
SAID_AT: Dict[str, float] = {}


def say(text: str, hourly: str = "") -> None:
    now = time.monotonic()
    if not hourly or now - SAID_AT.get(hourly, now - 3600) >= 3600:
        SAID_AT[hourly] = now
        print(f"pi.py: {text}", file=sys.stderr, flush=True)


def say_disk_fails(error: OSError) -> None:
    say(f"ALARM: the spool's disk fails, memory must do: {error}", hourly="disk")


def since_boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def to_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


class Record(NamedTuple):
    """An emission, and when it was heard."""

    boot: str
    mono_ms: Optional[int]  # since that boot; None: the emission says it itself
    wall_ms: int  # Unix time, by a clock that may be wrong
    emission: Dict[str, Any]

    @classmethod
    def heard(cls, line: bytes, pi_id: str) -> Record:
        """What was just read. ValueError or RecursionError if it is no emission."""
        mono_ms, wall_ms = since_boot_ms(), time.time_ns() // 1_000_000
        emission = json.loads(line.decode())
        if not isinstance(emission, dict):
            raise ValueError("expected a JSON object")
        if emission.get("pi_id") is None:
            emission["pi_id"] = pi_id
        age_ms = emission.get("age_ms") or 0
        if emission.get("heard_at") is not None or type(age_ms) is not int or age_ms < 0:
            return cls(BOOT, None, wall_ms, emission)
        return cls(BOOT, mono_ms - age_ms, wall_ms - age_ms, emission)

    def timed(self, wall_less_mono_ms: Dict[str, int], by_wall: bool = False) -> Dict[str, Any]:
        """The emission as it is to be sent at this moment; `by_wall`, at any."""
        if self.mono_ms is None:
            return self.emission
        if self.boot == BOOT and not by_wall:
            return {**self.emission, "age_ms": max(since_boot_ms() - self.mono_ms, 0)}
        offset_ms = wall_less_mono_ms.get(self.boot, self.wall_ms - self.mono_ms)
        return {**self.emission, "age_ms": None, "heard_at": self.mono_ms + offset_ms}


class Spool:
    """Records in files, oldest first. Each line begins with its newline, so a torn one
    spoils no other. What the disk does is said, not raised: what is heard now must
    reach the collector with a broken card, too.
    """

    def __init__(self, directory: Path, bytes_max: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.files_max = directory, max(bytes_max // FILE_BYTES, 2)
        self.fd = os.open(str(directory), os.O_RDONLY)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.files = deque(sorted(directory.glob("*.spool")))
        self.number = int(self.files[-1].stem) if self.files else 0
        self.oldest: Deque[Record] = deque()  # what is left of the first file, once it is read
        self.dropped = self.bytes_free = 0  # in the last file, but not in a former run's
        self.wall_less_mono_ms: Dict[str, int] = {}  # as NTP had set it by the end of a boot
        for it in (it for path in self.files for it in self.read(path, tail=4096)):
            if it.mono_ms is not None:
                self.wall_less_mono_ms[it.boot] = it.wall_ms - it.mono_ms

    def append(self, records: Iterable[Record]) -> bool:
        """Whether they are on the disk."""
        if self.bytes_free <= 0:
            self.number += 1
            self.files.append(self.directory / f"{self.number:010}.spool")
            self.bytes_free = FILE_BYTES
        lines = b"".join(b"\n" + to_json(record) for record in records)
        try:
            with self.files[-1].open("ab") as file:
                self.bytes_free -= file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            os.fsync(self.fd)
        except OSError as error:
            say_disk_fails(error)
            return False
        while len(self.files) > self.files_max and self.head():
            self.drop(len(self.oldest))
            self.remove_first()
        return True

    def head(self) -> Optional[Record]:
        while self.files and not self.oldest:
            if len(self.files) == 1:
                self.bytes_free = 0
            self.oldest.extend(self.read(self.files[0]))
            if not self.oldest:
                self.remove_first()
        return self.oldest[0] if self.oldest else None

    def read(self, path: Path, tail: int = sys.maxsize) -> Iterable[Record]:
        """What a power cut left of a line, or zeros in its place, is passed over."""
        data = b""
        try:
            with path.open("rb") as file:
                file.seek(max(path.stat().st_size - tail, 0))
                data = file.read()
        except OSError as error:
            say_disk_fails(error)
        for line in data.splitlines():
            try:
                yield Record(*json.loads(line.decode()))
            except (ValueError, TypeError):
                pass

    def pop(self, count: int = 1) -> None:
        """The oldest are answered."""
        for _ in range(count):
            self.oldest.popleft()
        if not self.oldest:
            self.remove_first()

    def put_last(self, count: int) -> None:
        """Moves the oldest to the end."""
        first, moved = self.files[0], list(self.oldest)[:count]
        if self.append(moved) and self.files[0] == first:
            self.pop(count)

    def remove_first(self) -> None:
        self.oldest.clear()
        try:
            self.files.popleft().unlink()
        except OSError as error:
            say_disk_fails(error)

    def drop(self, count: int) -> None:
        self.dropped += count
        if count:
            say(f"ALARM: full, the oldest go: {self.dropped} so far", hourly="full")

    def left(self) -> str:
        return f"files in the spool: {len(self.files)}"


class Answer(NamedTuple):
    kind: str  # stored, rejected: final; refused by the collector; it is away; ALARM: see to it
    reason: str
    retry_after_s: float = 0.0

    @classmethod
    def read(cls, status: int, body: bytes, retry_after: str) -> Answer:
        """Who is not the collector is not believed: it gives the reading, or says why not."""
        try:
            said = json.loads(body.decode())
            errors = [] if status == 201 and "id" in said else said["errors"] + []  # a list
            reason = f"{status}: {'; '.join(errors)}"
        except (ValueError, TypeError, KeyError, RecursionError):
            errors, reason = None, f"{status}: not the collector's own answer"
        kind = "ALARM"
        if (status, errors) in [(201, []), (409, ["duplicate"])]:
            kind = "stored"
        elif status in (400, 413, 415) and errors is not None:
            kind = "rejected"
        elif status in (408, 429) or status >= 500:
            kind = "away" if errors is None else "refused"
        wait_s = min(float(retry_after), RETRY_AFTER_S_MAX) if retry_after.isdecimal() else 0.0
        return cls(kind, reason, wait_s)


class Collector:
    """One connection to `houseful serve`, kept alive."""

    def __init__(self, url: str) -> None:
        """ValueError if it is no URL of one."""
        parts = urlsplit(url)
        kinds = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
        if parts.scheme not in kinds or not parts.hostname:
            raise ValueError(f"--url: expected http://HOST[:PORT] or https://, found {url}")
        self.http = kinds[parts.scheme](parts.hostname, parts.port, timeout=ANSWER_S_MAX)
        self.path = parts.path.rstrip("/") + "/rssi_readings"

    def post(self, timed: Callable[[], Dict[str, Any]]) -> Answer:
        """Posts what `timed` gives once the connection stands."""
        while True:
            is_new = self.http.sock is None
            try:
                if is_new:
                    self.connect()
                headers = {"Content-Type": "application/json"}
                self.http.request("POST", self.path, to_json(timed()), headers)
                response = self.http.getresponse()
                body = response.read(ANSWER_BYTES_MAX)
                return Answer.read(response.status, body, response.headers.get("Retry-After", ""))
            except (OSError, http.client.HTTPException) as error:
                self.http.close()
                if is_new or isinstance(error, socket.timeout):
                    return Answer("away", str(error) or type(error).__name__)
                # It was closed while it rested: once more, on a new one.

    def connect(self) -> None:
        # An age counts back from the arrival, and copies are less than 4.5 s apart: what
        # the kernel cannot deliver soon, or has when we give up, must not arrive later.
        self.http.connect()
        sock = self.http.sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNDELIVERED_MS_MAX)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT_AT_CLOSE)


class Sender:
    """Brings what was heard to the collector: fresh emissions first, then the spool."""

    def __init__(self, spool: Spool, collector: Collector) -> None:
        self.spool, self.collector = spool, collector
        self.memory: Deque[Record] = deque()  # another thread appends to it
        self.arrived = threading.Event()
        self.is_stopped, self.end_s = False, float("inf")  # the end comes after the input's
        self.answered = self.rejected = self.failures = 0
        self.state = ""  # if all is well

    def stop(self, *_: Any) -> None:
        self.is_stopped = True  # nothing that could wait for a lock: this may be amid anything

    def is_over(self) -> bool:
        return self.is_stopped or time.monotonic() >= self.end_s

    def run(self) -> None:
        """Until it is stopped, or nothing waits and nothing will come."""
        while not self.is_over():
            if self.memory:
                self.send(self.memory[0], is_fresh=True)
            elif self.spool.head():
                self.send(self.spool.oldest[0], is_fresh=False)
            elif self.end_s < float("inf") and not self.memory:
                break
            else:
                self.arrived.wait(timeout=1.0)
                self.arrived.clear()
        self.collector.http.close()
        if self.spool.oldest and len(self.spool.files) < self.spool.files_max:
            self.spool.put_last(len(self.spool.oldest))  # without what is answered
        self.flush()

    def send(self, record: Record, is_fresh: bool) -> None:
        answer = self.collector.post(lambda: record.timed(self.spool.wall_less_mono_ms))
        if answer.kind == "rejected":
            self.reject(record.timed(self.spool.wall_less_mono_ms, by_wall=True), answer.reason)
        elif answer.kind != "stored":
            if answer.kind != "away" and not is_fresh:
                self.spool.put_last(1)  # it may be refused for long, amid others that are not
            return self.pause(answer)
        self.memory.popleft() if is_fresh else self.spool.pop()
        self.answered += 1
        self.failures = 0
        if self.state == "away" or self.state and not self.spool.files:
            self.state = ""
            say(f"back; {self.spool.left()}")
        if len(self.memory) > MEMORY_MAX:
            self.flush()

    def pause(self, answer: Answer) -> None:
        """Longer each time, and never in step with other Pis."""
        self.flush()
        if self.state != answer.kind:
            self.state = answer.kind
            say(f"{answer.kind}: {answer.reason}; {self.spool.left()}")
        pause_s = min(PAUSE_S_MIN * 2 ** min(self.failures, 10), PAUSE_S_MAX)
        self.failures += 1
        left_s = answer.retry_after_s + pause_s * random.uniform(0.5, 1.0)
        while left_s > 0 and not self.is_over():
            time.sleep(min(left_s, FLUSH_EVERY_S))
            left_s -= FLUSH_EVERY_S
            self.flush()

    def flush(self) -> None:
        """Brings memory to the disk; if that fails, keeps the newest."""
        while self.memory:
            taken = [self.memory.popleft() for _ in range(min(len(self.memory), FLUSH_MAX))]
            if not self.spool.append(taken):
                self.memory.extendleft(reversed(taken))
                excess = [self.memory.popleft() for _ in range(len(self.memory) - MEMORY_MAX)]
                return self.spool.drop(len(excess))

    def reject(self, emission: Any, reason: str) -> None:
        """Sets aside what can never be stored."""
        self.rejected += 1
        path = self.spool.directory / "rejected.ndjson"
        say(f"rejected, see {path}: {reason}", hourly="rejected")
        try:
            with path.open("ab") as file:
                if file.tell() < REJECTED_BYTES_MAX:
                    file.write(to_json({"reason": reason, "emission": emission}) + b"\n")
        except OSError as error:
            say_disk_fails(error)

    def read(self, pi_id: str) -> None:
        """Takes each line as it comes, until the end of the input."""
        try:
            with open(0, "rb", closefd=False) as lines:
                for line in iter(lambda: lines.readline(LINE_BYTES_MAX), b""):
                    try:
                        self.memory.append(Record.heard(line, pi_id))
                    except (ValueError, RecursionError) as error:
                        if line.strip():
                            self.reject(line.decode(errors="replace").rstrip(), str(error))
                    self.arrived.set()
        finally:
            self.end_s = time.monotonic() + END_S_MAX
            self.arrived.set()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--url", default="http://127.0.0.1:6540", help="the collector (%(default)s)")
    add("--pi-id", required=True, help="for emissions that have no pi_id")
    add("--spool", default="pi-spool", metavar="DIR", type=Path, help="(%(default)s)")
    add("--spool-mib", default=256, type=float, help="at most (%(default)s)")
    args = parser.parse_args()
    try:
        sender = Sender(Spool(args.spool, int(args.spool_mib * 2**20)), Collector(args.url))
    except BlockingIOError:
        parser.error(f"{args.spool}: another process uses this spool")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    spool = sender.spool
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, sender.stop)
    say(f"posting to {args.url}; {spool.left()}")
    threading.Thread(target=sender.read, args=[args.pi_id], daemon=True).start()
    sender.run()
    counts = f"{sender.answered} answered, {sender.rejected} rejected, {spool.dropped} dropped"
    say(f"{counts}; {spool.left()}")


if __name__ == "__main__":
    main()
