"""Two hosts on one machine: network namespaces with addresses, names, a table of names and a folder of
their own, joined by a cable that can be cut. They end with the process that has made them, however it
ends. Needs iproute2, and root or user namespaces."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

NAMES = ("node1", "node2")
ADDRESSES = ("192.168.77.1", "192.168.77.2")
IPV6_ADDRESSES = ("fd77::1", "fd77::2")
# As root of this machine, or of what it lends everybody.
AS_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
OF_HOST = ["--net", "--uts", "--mount"]
# $1: the folder that is seen as $2 there; $3: the table of names; $4: the name. It lasts until its standard input
# is closed.
HOLD = """
set -e
mount --bind "$1" "$2"
mount --bind "$3" /etc/hosts
hostname "$4"
ip link set lo up
echo ready
exec cat >/dev/null
"""


class Host:
    """`folder` is its own, which its programs see at the place `work`."""

    def __init__(self, name, folder, work, hosts, inside=None):
        self.name, self.folder, self.work = name, folder, work
        # What the second host has in common with the first is the user: so the cable may join them.
        create = ["unshare", *(OF_HOST if inside else AS_ROOT + OF_HOST), "sh", "-c", HOLD, name, str(folder),
                  str(work), str(hosts), name]
        self.holder = subprocess.Popen(inside.enter(create) if inside else create, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            fault = self.holder.stderr.read().strip()
            self.end()
            raise OSError(fault)

    def enter(self, command):
        user = ["--user", "--preserve-credentials"] if AS_ROOT else []
        return ["nsenter", f"--target={self.holder.pid}", *user, *OF_HOST, *command]

    def run(self, *command):
        done = subprocess.run(self.enter(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(done.stderr.strip())
        return done.stdout

    def start(self, command, environment):
        """In its folder."""
        return subprocess.Popen(self.enter(["sh", "-c", 'cd "$0" && exec "$@"', str(self.work), *command]),
                                stderr=subprocess.PIPE, text=True, errors="replace", env=environment)

    def end(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()


class TwoHosts:
    """Hosts node1 and node2. On each, its own name means the loopback, as on Debian."""

    def __init__(self, folder):
        self.hosts = []
        work = folder / "work"
        work.mkdir()
        try:
            for number, name in enumerate(NAMES):
                own = folder / name
                own.mkdir()
                table = folder / f"{name}.hosts"
                table.write_text("127.0.0.1 localhost\n" + "".join(
                    f"{'127.0.1.1' if other == name else address} {other}\n"
                    for other, address in zip(NAMES, ADDRESSES, strict=True)))
                self.hosts.append(Host(name, own, work, table, self.hosts[0] if number else None))
            first, second = self.hosts
            first.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns",
                      str(second.holder.pid))
            for host, address in zip(self.hosts, ADDRESSES, strict=True):
                host.run("ip", "address", "add", f"{address}/24", "dev", "cable")
                host.run("ip", "link", "set", "cable", "up")
            self.ipv6 = all([self.has_ipv6(*one) for one in zip(self.hosts, IPV6_ADDRESSES, strict=True)])
        except BaseException:
            self.end()
            raise

    @staticmethod
    def has_ipv6(host, address):
        try:
            host.run("ip", "address", "add", f"{address}/64", "dev", "cable", "nodad")
        except OSError:
            return False
        return True

    def cable(self, state):
        """Cut ("down") or mended ("up"), at the second host."""
        self.hosts[1].run("ip", "link", "set", "cable", state)

    def end(self):
        for host in reversed(self.hosts):
            host.end()


def why_not():
    """Why this machine makes no hosts; nothing where it does."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            TwoHosts(Path(folder)).end()
    except OSError as fault:
        return str(fault)
    return ""


class OnTwoHosts(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name)
        self.network = TwoHosts(self.path)
        self.addCleanup(self.network.end)
        self.first, self.second = self.network.hosts
