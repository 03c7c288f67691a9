#!/usr/bin/python3
"""One cloud on two hosts with real guests: a network of tunnels between them, each host's own DHCP
and metadata, and security groups that hold on both.

A host is a network namespace and a libvirt: cloudosd runs in the first with its own, and drives a
daemon in the second. A wire between the namespaces is all that joins them.

usage: two_hosts.py BIN-DIR GUEST.qcow2
"""
import os
import shutil
import subprocess
import sys
import tempfile
import uuid

from harness import Cloud, Failed, Report, host_state, left_over, run, until
from networks import brief, reaches, ssh

FIRST, SECOND = "192.0.2.1", "192.0.2.2"
# Reads frames off the wire until one is a ping from one guest to the other within a tunnel, or time
# is up: Ethernet, IPv4, UDP and VXLAN take 50 bytes of it.
LISTEN = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("wire0", 0))
s.settimeout(0.5)
source, target = (socket.inet_aton(a) for a in sys.argv[1:3])
end = time.monotonic() + 20
print("listening", flush=True)
while time.monotonic() < end:
    try:
        frame = s.recv(2048)
    except TimeoutError:
        continue
    inner = frame[50:]
    if (frame[23:24] == b"\\x11" and frame[36:38] == (4789).to_bytes(2, "big") and
            inner[12:14] == b"\\x08\\x00" and inner[23:24] == b"\\x01" and
            inner[26:30] == source and inner[30:34] == target):
        print("%s to %s vni %d" % (socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]),
                                   int.from_bytes(frame[46:49], "big")), flush=True)
        break
"""


class Space:
    """A namespace that is a host."""

    def __init__(self, word):
        self.name = "e2e-%s-%d" % (word, os.getpid())
        self.prefix = ["nsenter", "--net=/run/netns/" + self.name]
        run(["ip", "netns", "add", self.name])
        run(["ip", "-n", self.name, "link", "set", "lo", "up"])

    def inode(self):
        return os.stat("/run/netns/" + self.name).st_ino

    def things(self):
        """What is on the host that a cloud could have made."""
        links = run(["ip", "-n", self.name, "-o", "link", "show"]).stdout.splitlines()
        names = {line.split(": ")[1].split("@")[0] for line in links} - {"lo", "wire0"}
        tables = run(self.prefix + ["nft", "list", "tables"]).stdout.split("\n")
        return {t for t in names | set(tables) if t}

    def end(self):
        run(["ip", "netns", "delete", self.name], check=False)


def join(one, other):
    run(["ip", "-n", one.name, "link", "add", "wire0", "type", "veth", "peer", "name", "wire0",
         "netns", other.name])
    for space, address in ((one, FIRST), (other, SECOND)):
        run(["ip", "-n", space.name, "addr", "add", address + "/24", "dev", "wire0"])
        run(["ip", "-n", space.name, "link", "set", "wire0", "up"])


class Daemon:
    """A libvirt daemon in a host's namespace, whose files are in a folder of its own."""

    # libvirt has one place for each; the daemon sees folders of its own there.
    PLACES = {"etc": "/etc/libvirt", "lib": "/var/lib/libvirt", "run": "/run/libvirt",
              "cache": "/var/cache/libvirt", "log": "/var/log/libvirt"}

    def __init__(self, space):
        # Short: QEMU's sockets lie below.
        self.dir = tempfile.mkdtemp(prefix="e2e-lv-")
        self.made, self.process = [], None
        for name, place in self.PLACES.items():
            os.makedirs(os.path.join(self.dir, name))
            if not os.path.isdir(place):
                os.makedirs(place)
                self.made.append(place)
        self.socket = os.path.join(self.dir, "libvirt-sock")
        self.write("libvirtd.conf", 'unix_sock_dir = "%s"\nauth_unix_rw = "none"\n'
                   'auth_unix_ro = "none"\nhost_uuid = "%s"\n' % (self.dir, uuid.uuid4()))
        self.write("etc/qemu.conf", 'security_driver = "none"\nstdio_handler = "file"\n'
                   'remember_owner = 0\nuser = "root"\ngroup = "root"\nnamespaces = []\n'
                   'cgroup_controllers = []\n')
        binds = ["mount --bind %s/%s %s" % (self.dir, name, place)
                 for name, place in self.PLACES.items()]
        self.out = open(os.path.join(self.dir, "out"), "w")
        self.process = subprocess.Popen(
            space.prefix + ["unshare", "--mount", "--propagation", "private", "sh", "-ec",
                            "\n".join(binds) + "\nexec libvirtd -f %s/libvirtd.conf -p %s/pid" % (
                                self.dir, self.dir)],
            stdout=self.out, stderr=self.out)
        until("libvirtd answers", 20, lambda: os.path.exists(self.socket) or self.gone())

    def gone(self):
        if self.process.poll() is None:
            return False
        with open(os.path.join(self.dir, "out")) as f:
            raise Failed("libvirtd ended: " + f.read()[-2000:])

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def uri(self):
        return "qemu+unix:///system?socket=" + self.socket

    def end(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.out.close()
        for place in self.made:
            os.rmdir(place)
        shutil.rmtree(self.dir, ignore_errors=True)


class World:
    def __init__(self, cloud, spaces, guest):
        self.cloud, self.spaces, self.cli = cloud, spaces, cloud.cli
        key = os.path.join(cloud.dir, "key")
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        cli = self.cli
        cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
            guest, "guest")
        cli("keypair", "create", "--public-key", key + ".pub", "key-a")
        self.net = cli("network", "create", "net-a")
        cli("subnet", "create", "--network", "net-a", "--subnet-range", "10.78.0.0/24", "sub-a")
        self.group = cli("security", "group", "create", "both")["id"]
        self.ports = {}
        for name, host, address in (("near", "first", "10.78.0.11"),
                                    ("far", "second", "10.78.0.12")):
            self.ports[name] = cli("port", "create", "--network", "net-a", "--fixed-ip",
                                   "ip-address=" + address, "--security-group", self.group,
                                   "port-" + name)["id"]
            cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--port",
                self.ports[name], "--key-name", "key-a", "--availability-zone", "nova:" + host, name)

    def rule(self, *words):
        return self.cli("security", "group", "rule", "create", *words, self.group)["id"]

    def up(self, name):
        until("%s boots" % name, 150, lambda: "GUEST-UP %s " % name in str(
            self.cli("console", "log", "show", name, check=False).stdout))

    def dhcp(self, host):
        """Where a host has the network's DHCP server."""
        inside = [n for n in self.cloud.namespaces() if n.endswith(brief(self.cloud, self.net["id"]))]
        alone = "cloudos-%s-" % self.cloud.folder_id()
        return next(n for n in inside if n.startswith(alone) == (host == "first"))

    def ping(self, asker, address):
        """From within a guest."""
        there = {"near": ("first", "10.78.0.11"), "far": ("second", "10.78.0.12")}[asker]
        return ssh(self.cloud, self.dhcp(there[0]), there[1], "ping -c 1 -W 2 %s >/dev/null && "
                   "echo yes || echo no" % address)


def placed(world, report):
    cloud, cli = world.cloud, world.cli
    report.check("projects' networks are tunnels",
                 world.net["provider:network_type"] == "vxlan", str(world.net))
    for name in ("near", "far"):
        world.up(name)
    for name, host in (("near", "first"), ("far", "second")):
        shown = cli("server", "show", name)
        report.check("%s is on host %s, ACTIVE" % (name, host),
                     shown["status"] == "ACTIVE" and
                     shown["OS-EXT-SRV-ATTR:host"] == host, str(shown))
    inside = sorted(os.stat("/proc/%d/ns/net" % pid).st_ino for pid in cloud.qemu_pids())
    report.check("a guest runs in each host's namespace",
                 inside == sorted(s.inode() for s in world.spaces), str(inside))
    for name in ("near", "far"):
        said = str(cli("console", "log", "show", name, check=False).stdout)
        report.check("%s has its address of its own host's DHCP" % name,
                     {"near": "10.78.0.11", "far": "10.78.0.12"}[name] in said)


def through(world, report):
    cloud = world.cloud
    first, second = world.dhcp("first"), world.dhcp("second")
    report.check("ssh is closed on both hosts before a rule allows it",
                 not reaches(first, "10.78.0.11") and not reaches(second, "10.78.0.12"))
    world.rule("--protocol", "tcp", "--dst-port", "22")
    for space, name, address in ((first, "near", "10.78.0.11"), (second, "far", "10.78.0.12")):
        who = until("ssh to " + name, 60, lambda s=space, a=address: ssh(cloud, s, a, "hostname"))
        report.check("the rule opens %s, whose key came by its host's metadata" % name,
                     who == name, who)
    for name, asker, other in (("near", first, "10.78.0.12"), ("far", second, "10.78.0.11")):
        said = ssh(cloud, asker, {"near": "10.78.0.11", "far": "10.78.0.12"}[name],
                   "sleep 1 | nc -w 3 %s 22 | head -c 5" % other)
        report.check("from %s the other host's guest answers" % name,
                     bool(said) and said.startswith("SSH-2"), str(said))


def groups(world, report):
    report.check("guests do not hear each other's pings without a rule",
                 world.ping("near", "10.78.0.12") == "no")
    rule = world.rule("--protocol", "icmp", "--remote-group", world.group)
    listener = subprocess.Popen(
        world.spaces[0].prefix + ["python3", "-c", LISTEN, "10.78.0.11", "10.78.0.12"],
        stdout=subprocess.PIPE, text=True)
    try:
        listener.stdout.readline()
        until("ping over the tunnel", 20, lambda: world.ping("near", "10.78.0.12") == "yes")
        seen = listener.stdout.readline().split()
    finally:
        listener.kill()
        listener.wait()
        listener.stdout.close()
    report.check("a rule for the group's members joins guests of two hosts", True)
    report.check("by tunnels between the hosts' addresses, of the network's number",
                 seen[:3] == [FIRST, "to", SECOND] and
                 seen[4] == str(world.net["provider:segmentation_id"]), str(seen))
    report.check("both ways", world.ping("far", "10.78.0.11") == "yes")
    hops = world.cli("network", "trace", "--from", "port-near", "--to", "10.78.0.12", "-f", "json",
                     check=False).stdout
    report.check("a trace from one host to the other says that it is delivered",
                 '"delivered": true' in hops, hops[-600:])
    world.cli("security", "group", "rule", "delete", rule)
    for asker, address in (("near", "10.78.0.12"), ("far", "10.78.0.11")):
        until("closed to " + asker, 20, lambda a=asker, t=address: world.ping(a, t) == "no")
    report.check("the rule taken away parts them on both hosts", True)


def restarted(world, report):
    cloud = world.cloud
    world.rule("--protocol", "icmp", "--remote-group", world.group)
    until("pings again", 20, lambda: world.ping("near", "10.78.0.12") == "yes")
    pids = cloud.qemu_pids()
    cloud.kill()
    report.check("with cloudosd killed the hosts stay joined",
                 world.ping("near", "10.78.0.12") == "yes")
    cloud.start()
    until("both are ACTIVE", 60, lambda: all(
        world.cli("server", "show", n)["status"] == "ACTIVE" for n in ("near", "far")))
    report.check("its successor finds both guests running", cloud.qemu_pids() == pids)
    run(["ip", "-n", world.spaces[1].name, "link", "delete",
         "clb" + brief(cloud, world.net["id"])])
    until("repaired", 20, lambda: world.ping("near", "10.78.0.12") == "yes")
    report.check("a bridge deleted on the second host is back", True)


def take_down(world, report):
    cli = world.cli
    for name in ("near", "far"):
        cli("server", "delete", name)
    until("servers gone", 90, lambda: not cli("server", "list"))
    for port in world.ports.values():
        cli("port", "delete", port, check=False)
    cli("network", "delete", "net-a")
    until("no namespace is left", 30, lambda: not world.cloud.namespaces())
    left = until("nothing of it is on either host", 30,
                 lambda: "yes" if not any(s.things() for s in world.spaces) else None)
    report.check("nothing of the cloud is left on either host", left == "yes")


def why(cloud):
    """What the log says beside requests, and the servers of themselves."""
    if not cloud.process:
        return ""
    with open(os.path.join(cloud.dir, "cloudosd.log"), errors="replace") as f:
        said = "".join(line for line in f if " rest " not in line)[-3000:]
    for name in ("near", "far"):
        said += str(cloud.cli("server", "show", name, check=False).stdout)[-1500:]
    return said


def configure(spaces, daemon):
    os.environ.update({
        "CLOUDOS_HYPERVISOR_HOST_NAMES": "first",
        "CLOUDOS_HYPERVISOR_OTHER_HOSTS": "second:" + daemon.uri(),
        "CLOUDOS_NETWORK_HOST": "first",
        "CLOUDOS_NETWORK_TUNNEL_ADDRESS": FIRST,
        "CLOUDOS_NETWORK_HOST_NAMESPACES": "second:" + spaces[1].name,
        "CLOUDOS_NETWORK_HOST_TUNNELS": "second:" + SECOND,
        "CLOUDOS_NETWORK_TENANT_NETWORK_TYPES": "vxlan"})


def main():
    bin_dir, guest = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    report = Report()
    before = host_state()
    spaces, daemon, cloud = [], None, Cloud(bin_dir)
    try:
        spaces += [Space("first")]
        spaces += [Space("second")]
        join(*spaces)
        daemon = Daemon(spaces[1])
        configure(spaces, daemon)
        cloud.prefix = cloud.daemon_prefix = spaces[0].prefix
        cloud.start()
        world = World(cloud, spaces, guest)
        for part in (placed, through, groups, restarted, take_down):
            part(world, report)
        cloud.stop()
    except (Failed, OSError, subprocess.TimeoutExpired, KeyError, ValueError,
            StopIteration) as trouble:
        report.check("the scenario runs to its end", False, "%r\n%s" % (trouble, why(cloud)))
    finally:
        cloud.end()
        if daemon:
            daemon.end()
        for space in spaces:
            space.end()
    left = left_over(before, host_state())
    report.check("the host is as it was", not left, "; ".join(left))
    report.end()


if __name__ == "__main__":
    main()
