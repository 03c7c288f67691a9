#!/usr/bin/python3
"""Networks with real guests: tenants with the same addresses, a floating address seen from outside,
rules on a running guest, IPv6 by SLAAC, and fifty ports on one bridge.

usage: networks.py BIN-DIR GUEST.qcow2
"""
import hashlib
import os
import subprocess
import sys

from harness import Cloud, Failed, Report, host_state, left_over, run, until

GUESTS, NEIGHBOURS = 5, 45
# Greets an ssh server, takes what it says first, waits for the word to go on, and then says what no
# ssh client would: who hears that hangs up.
HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], 22), 5)
s.settimeout(1)
print("open", s.recv(4096)[:4].decode(), flush=True)
try:
    while s.recv(4096):
        pass
except OSError:
    pass
sys.stdin.readline()
try:
    s.settimeout(3)
    s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    s.recv(4096)
    print("answered", flush=True)
except TimeoutError:
    print("cut", flush=True)
"""


class Outside:
    """The operator's bridge, and a machine at it that is none of the cloud's."""

    def __init__(self):
        self.bridge, self.name = "bre2e%d" % os.getpid(), "e2e-outside-%d" % os.getpid()
        self.near = "oe2e%d" % os.getpid()
        run(["ip", "link", "add", self.bridge, "type", "bridge", "mcast_snooping", "0"])
        run(["ip", "link", "set", self.bridge, "up"])
        run(["ip", "netns", "add", self.name])
        run(["ip", "link", "add", self.near, "master", self.bridge, "type", "veth", "peer", "name",
             "eth0", "netns", self.name])
        run(["ip", "link", "set", self.near, "up"])
        for words in (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"],
                      ["addr", "add", "203.0.113.1/24", "dev", "eth0"]):
            run(["ip", "-n", self.name] + words)

    def end(self):
        run(["ip", "netns", "delete", self.name], check=False)
        run(["ip", "link", "delete", self.near], check=False)
        run(["ip", "link", "delete", self.bridge], check=False)


class Neighbours:
    """Namespaces at the bridge of a network, as many as make it crowded."""

    def __init__(self, bridge, count):
        self.names = ["e2e-n%d-%d" % (i, os.getpid()) for i in range(count)]
        lines = []
        for i, name in enumerate(self.names):
            near = "ne%d-%d" % (i, os.getpid() % 100000)
            lines += ["netns add " + name,
                      "link add %s master %s type veth peer name eth0 netns %s" % (
                          near, bridge, name),
                      "link set %s up" % near]
        run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")
        for i, name in enumerate(self.names):
            run(["ip", "-n", name, "-batch", "-"], input="link set eth0 up\naddr add "
                "10.77.0.%d/24 dev eth0\n" % (100 + i))

    def end(self):
        for name in self.names:
            run(["ip", "netns", "delete", name], check=False)


def brief(cloud, ident):
    return hashlib.sha256(("%s:%s" % (cloud.folder_id(), ident)).encode()).hexdigest()[:11]


def reaches(space, address, port=22, seconds=3):
    return run(["ip", "netns", "exec", space, "timeout", str(seconds), "bash", "-c",
                "</dev/tcp/%s/%d" % (address, port)], check=False).returncode == 0


def ssh(cloud, space, address, *command):
    done = run(["ip", "netns", "exec", space, "ssh", "-i", os.path.join(cloud.dir, "key"), "-o",
                "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=4",
                "root@" + address] + list(command), check=False, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else None


class World:
    """Two tenants: the administrator's project and "red", both with 10.77.0.0/24."""

    def __init__(self, cloud, guest):
        self.cloud = cloud
        key = os.path.join(cloud.dir, "key")
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        cli = cloud.cli
        cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
            guest, "--public", "guest")
        cli("keypair", "create", "--public-key", key + ".pub", "key-a")
        cli("project", "create", "red")
        cli("role", "add", "--project", "red", "--user", "admin", "admin")
        self.group, self.red_group = self.closed_group(), self.closed_group("red")
        self.net, self.red_net = self.network("net-a"), self.network("net-r", "red")
        cli("subnet", "create", "--network", "net-a", "--ip-version", "6", "--subnet-range",
            "fd77::/64", "--ipv6-ra-mode", "slaac", "--ipv6-address-mode", "slaac", "sub6")
        self.ports = [self.boot("a%d" % i, "net-a", "10.77.0.%d" % (10 + i), self.group)
                      for i in range(1, GUESTS + 1)]
        self.boot("r1", "net-r", "10.77.0.11", self.red_group, "red")

    def cli(self, project, *words):
        return self.cloud.cli(*(list(words) + (["--os-project-name", project] if project else [])))

    def closed_group(self, project=None):
        return self.cli(project, "security", "group", "create", "ssh-" + (project or "a"))["id"]

    def network(self, name, project=None):
        made = self.cli(project, "network", "create", name)["id"]
        self.cli(project, "subnet", "create", "--network", name, "--subnet-range", "10.77.0.0/24",
                 "sub-" + name)
        return made

    def open_port(self, group, project=None, *more):
        return self.cli(project, "security", "group", "rule", "create", "--protocol", "tcp",
                        "--dst-port", "22", group, *more)["id"]

    def boot(self, name, network, address, group, project=None):
        port = self.cli(project, "port", "create", "--network", network, "--fixed-ip",
                        "ip-address=" + address, "--security-group", group, "port-" + name)
        self.cli(project, "server", "create", "--image", "guest", "--flavor", "m1.nano", "--port",
                 port["id"], "--key-name", "key-a", name)
        return port

    def space(self, network):
        """Where a network's DHCP server is: the tests' place on that network."""
        return "cloudos-%s-%s" % (self.cloud.folder_id(), brief(self.cloud, network))

    def up(self, name, project=None):
        def said():
            return "GUEST-UP %s " % name in str(
                self.cloud.cli("console", "log", "show", name,
                               *(["--os-project-name", project] if project else []),
                               check=False).stdout)
        until("%s boots" % name, 120, said)


def tenants(world, report):
    cloud = world.cloud
    ours, reds = world.space(world.net), world.space(world.red_net)
    for i in range(1, GUESTS + 1):
        world.up("a%d" % i)
    world.up("r1", "red")
    report.check("ssh is closed before a rule allows it", not reaches(ours, "10.77.0.11"))
    world.rule = world.open_port(world.group)
    world.open_port(world.red_group, "red")
    for space, name in ((ours, "a1"), (reds, "r1")):
        who = until("ssh to " + name, 60, lambda s=space: ssh(cloud, s, "10.77.0.11", "hostname"))
        report.check("10.77.0.11 is %s in its own tenant's network" % name, who == name, who)
    report.check("nobody of one tenant is in the other's network",
                 reaches(ours, "10.77.0.12") and not reaches(reds, "10.77.0.12"))


def outside(world, report, there):
    cloud, cli = world.cloud, world.cloud.cli
    cli("network", "create", "--external", "--provider-network-type", "flat",
        "--provider-physical-network", "public", "net-x")
    cli("subnet", "create", "--network", "net-x", "--no-dhcp", "--gateway", "203.0.113.1",
        "--subnet-range", "203.0.113.0/24", "sub-x")
    cli("router", "create", "--external-gateway", "net-x", "router-a")
    cli("router", "add", "subnet", "router-a", "sub-net-a")
    cli("router", "add", "subnet", "router-a", "sub6")
    floating = cli("floating", "ip", "create", "--port", world.ports[0]["id"], "net-x")
    address = floating["floating_ip_address"]
    who = until("ssh by the floating address", 60,
                lambda: ssh(cloud, there.name, address, "hostname"))
    report.check("a floating address leads to its guest from outside", who == "a1", who)
    until("ACTIVE", 30, lambda: cli("floating", "ip", "show", address)["status"] == "ACTIVE")
    ping = ["ip", "netns", "exec", there.name, "ping", "-c", "1", "-W", "2", address]
    report.check("ping is refused without a rule", run(ping, check=False).returncode != 0)
    cli("security", "group", "rule", "create", "--protocol", "icmp", world.group)
    until("ping", 20, lambda: run(ping, check=False).returncode == 0)
    report.check("and answered with one", True)

    hold = subprocess.Popen(["ip", "netns", "exec", there.name, "python3", "-c", HOLD, address],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        report.check("a connection is made", hold.stdout.readline().strip() == "open SSH-")
        cli("security", "group", "rule", "delete", world.rule)
        until("closed", 20, lambda: not reaches(there.name, address, seconds=2))
        report.check("a rule taken away closes a running guest", True)
        hold.stdin.write("go on\n")
        hold.stdin.flush()
        said = hold.stdout.readline().strip()
        report.check("and ends the connections that it had let in", said == "cut", said)
    finally:
        hold.kill()
        hold.wait()
        hold.stdin.close()
        hold.stdout.close()
    world.rule = world.open_port(world.group)
    until("open again", 20, lambda: reaches(there.name, address))
    report.check("opened again it lets new ones in", True)

    fixed = {f["ip_address"] for f in cli("port", "show", world.ports[0]["id"])["fixed_ips"]}
    six = next(a for a in fixed if ":" in a)

    def has_six():
        told = ssh(cloud, there.name, address, "ip", "-6", "addr", "show")
        return told if told and six in told else None
    until("the guest has " + six, 60, has_six)
    report.check("the guest made its IPv6 address of the router's prefix", True)


def crowd(world, report):
    neighbours = Neighbours("clb" + brief(world.cloud, world.net), NEIGHBOURS)
    try:
        on_bridge = os.listdir("/sys/class/net/clb%s/brif" % brief(world.cloud, world.net))
        report.check("%d ports are on one bridge" % len(on_bridge),
                     len(on_bridge) >= GUESTS + NEIGHBOURS)
        asked = [(name, "10.77.0.%d" % (11 + i % GUESTS))
                 for i, name in enumerate(neighbours.names)]
        lost = [pair for pair in asked if not reaches(*pair)]
        report.check("each of %d neighbours reaches a guest" % NEIGHBOURS, not lost, str(lost[:5]))
        shut = [pair for pair in asked[:GUESTS] if reaches(pair[0], pair[1], 23, 1)]
        report.check("by what the rules allow, and nothing else", not shut, str(shut))
    finally:
        neighbours.end()


def take_down(world):
    cli = world.cloud.cli
    for i in range(1, GUESTS + 1):
        cli("server", "delete", "a%d" % i)
    world.cli("red", "server", "delete", "r1")
    until("servers gone", 90, lambda: not cli("server", "list") and
          not world.cli("red", "server", "list"))
    for row in cli("floating", "ip", "list"):
        cli("floating", "ip", "delete", row.get("ID") or row.get("id"))
    for subnet in ("sub-net-a", "sub6"):
        cli("router", "remove", "subnet", "router-a", subnet)
    cli("router", "delete", "router-a")
    for row in cli("port", "list"):
        cli("port", "delete", row.get("ID") or row.get("id"), check=False)
    for network in ("net-a", "net-x"):
        cli("network", "delete", network)
    world.cli("red", "network", "delete", "net-r")
    until("nothing of it is on the host", 30, lambda: not world.cloud.namespaces())


def main():
    bin_dir, guest = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    report = Report()
    before = host_state()
    there = Outside()
    cloud = Cloud(bin_dir)
    os.environ["CLOUDOS_NETWORK_BRIDGE_MAPPINGS"] = "public:" + there.bridge
    try:
        cloud.start()
        world = World(cloud, guest)
        tenants(world, report)
        outside(world, report, there)
        crowd(world, report)
        take_down(world)
        cloud.stop()
    except (Failed, OSError, subprocess.TimeoutExpired, KeyError, ValueError) as trouble:
        report.check("the scenario runs to its end", False, "%s\n%s" % (trouble, cloud.tail()))
    finally:
        cloud.end()
        there.end()
    left = left_over(before, host_state())
    report.check("the host is as it was", not left, "; ".join(left))
    report.end()


if __name__ == "__main__":
    main()
