#!/usr/bin/python3
"""First boot, from image to nothing left: the unmodified client on real guests.

usage: first_boot.py BIN-DIR GUEST.qcow2
"""
import os
import sys
import time

from harness import Cloud, Report, host_state, left_over, play, run, until


def ssh(cloud, key, address, *command, timeout=10):
    """From inside the network: its namespace is the only other machine on it."""
    return run(["ip", "netns", "exec", cloud.namespaces()[0], "ssh", "-i", key,
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                "-o", "ConnectTimeout=%d" % timeout, "root@" + address] + list(command),
               check=False, timeout=timeout + 60)


def ssh_until(cloud, key, address, *command):
    def attempt():
        done = ssh(cloud, key, address, *command)
        return done.stdout if done.returncode == 0 else None
    return until("ssh to " + address, 60, attempt)


def address_of(server):
    value = server["addresses"]
    if isinstance(value, dict):
        return next(iter(value.values()))[0]
    return value.split("=")[1].split(",")[0]


def boots(cloud, name, count):
    """The console says that the guest of that name came up `count` times."""
    text = cloud.client("console", "log", "show", name)
    return text if text.count("GUEST-UP %s " % name) >= count else None


def interfaces(cloud, report, key, address):
    """Ports given to the running guest and taken from it, one of them over a kill of cloudosd."""
    def in_guest():
        return set(ssh_until(cloud, key, address, "ls", "/sys/class/net").split())

    def ports():
        return {p["ID"] for p in cloud.client("port", "list", "--server", "alpha")}
    first, first_ports = in_guest(), ports()
    cloud.client("server", "add", "network", "alpha", "net-a")
    second = until("an interface in the running guest", 30, lambda: in_guest() - first).pop()
    said = ssh_until(cloud, key, address, "ip link set %s up; udhcpc -n -q -i %s -s /bin/true 2>&1"
                     % (second, second))
    report.check("a network added to a running server is an interface with a lease",
                 "lease of 10.77.0." in said, said)
    cloud.cli("server", "add", "network", "alpha", "net-a")
    cloud.kill()
    cloud.start()
    until("an interface after a kill", 30, lambda: len(in_guest() - first) == 2)
    report.check("so is one that was asked for right before a kill", len(ports()) == 3)
    for port in ports() - first_ports:
        cloud.client("server", "remove", "port", "alpha", port)
    until("the guest gives them up", 30, lambda: in_guest() == first)
    until("the ports are gone", 30, lambda: ports() == first_ports)
    taps = [d for d in os.listdir("/sys/class/net") if d.startswith("tap")]
    report.check("removed ports leave guest, host and cloud", len(taps) == 1, str(taps))


def lifecycle(cloud, report, guest):
    key = os.path.join(cloud.dir, "key")
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    cloud.client("token", "issue")
    cloud.client("image", "create", "--disk-format", "qcow2", "--container-format", "bare",
                 "--file", guest, "guest")
    image = cloud.client("image", "show", "guest")
    report.check("the client uploads an image", image["status"] == "active", str(image))
    cloud.client("network", "create", "net-a")
    subnet = cloud.client("subnet", "create", "--network", "net-a", "--subnet-range",
                          "10.77.0.0/24", "sub-a")
    report.check("the client makes a network with a subnet", subnet["cidr"] == "10.77.0.0/24")
    cloud.client("keypair", "create", "--public-key", key + ".pub", "key-a")
    began = time.monotonic()
    server = cloud.client("server", "create", "--image", "guest", "--flavor", "m1.nano",
                          "--network", "net-a", "--key-name", "key-a", "--wait", "alpha")
    took = time.monotonic() - began
    report.check("the server becomes ACTIVE (client: %.1f s)" % took,
                 server["status"] == "ACTIVE", str(server))
    address = address_of(server)
    console = until("the guest boots", 60, lambda: boots(cloud, "alpha", 1))
    report.check("the console shows the name from metadata and the address from DHCP",
                 "GUEST-UP alpha %s" % address in console, console[-500:])

    closed = ssh(cloud, key, address, "true", timeout=4)
    report.check("ssh is closed before a rule allows it", closed.returncode != 0)
    cloud.client("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "22",
                 "default")
    who = ssh_until(cloud, key, address, "hostname")
    report.check("ssh with the key works after the rule", who.strip() == "alpha", who)

    cloud.client("server", "stop", "alpha")
    until("SHUTOFF", 90, lambda: cloud.client("server", "show", "alpha")["status"] == "SHUTOFF")
    report.check("a stopped server is SHUTOFF and runs no QEMU", not cloud.qemu_pids())
    cloud.client("server", "start", "alpha")
    until("boots again", 90, lambda: boots(cloud, "alpha", 2))
    report.check("a started server boots again",
                 cloud.client("server", "show", "alpha")["status"] == "ACTIVE")
    cloud.client("server", "reboot", "--wait", "alpha")
    until("boots after a reboot", 90, lambda: boots(cloud, "alpha", 3))
    cloud.client("server", "reboot", "--hard", "--wait", "alpha")
    until("boots after a hard reboot", 90, lambda: boots(cloud, "alpha", 4))
    report.check("soft and hard reboots boot it anew",
                 cloud.client("server", "show", "alpha")["status"] == "ACTIVE")

    pids = cloud.qemu_pids()
    up = ssh_until(cloud, key, address, "cat", "/proc/uptime")
    cloud.stop()
    report.check("the guest runs on without cloudosd", cloud.qemu_pids() == pids and len(pids) == 1)
    cloud.start()
    later = ssh_until(cloud, key, address, "cat", "/proc/uptime")
    report.check("the restarted cloudosd adopts the running guest",
                 cloud.qemu_pids() == pids and float(later.split()[0]) > float(up.split()[0]) and
                 cloud.client("server", "show", "alpha")["status"] == "ACTIVE")
    told = ssh_until(cloud, key, address,
                     "wget -q -O - http://169.254.169.254/openstack/latest/meta_data.json")
    report.check("and answers its metadata again", '"alpha' in told, told)
    interfaces(cloud, report, key, address)
    cloud.client("server", "delete", "--wait", "alpha")
    report.check("a deleted server leaves no QEMU and no folder",
                 not cloud.qemu_pids() and
                 not os.listdir(os.path.join(cloud.data, "servers")))


def killed(cloud, report, moment):
    """kill -9 so long after a create was accepted: ACTIVE or ERROR with a fault, never in between."""
    name = "k%d" % int(moment * 1000)
    cloud.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network", "net-a",
              name)
    time.sleep(moment)
    cloud.kill()
    cloud.start()

    def settled():
        server = cloud.cli("server", "show", name)
        return server if server["status"] in ("ACTIVE", "ERROR") else None
    server = until("%s settles" % name, 120, settled)
    report.check("killed %.2f s into a boot: ends %s" % (moment, server["status"]),
                 server["status"] == "ACTIVE" or server.get("fault"), str(server))
    if server["status"] == "ACTIVE":
        until("%s boots" % name, 90, lambda: "GUEST-UP" in cloud.client("console", "log", "show", name))
    cloud.cli("server", "delete", "--wait", name)
    taps = [d for d in os.listdir("/sys/class/net") if d.startswith("tap")]
    report.check("and deleting it leaves no QEMU, tap or disk",
                 not cloud.qemu_pids() and not taps and
                 not os.listdir(os.path.join(cloud.data, "servers")), str(taps))


def main():
    bin_dir, guest = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    report = Report()

    def scenes(cloud, before):
        began = time.monotonic()
        cloud.start()
        report.check("cloudosd starts (%.2f s)" % (time.monotonic() - began), True)
        lifecycle(cloud, report, guest)
        for moment in (0.0, 0.1, 0.3, 0.8, 1.5, 3.0):
            killed(cloud, report, moment)
        cloud.client("subnet", "delete", "sub-a")
        cloud.client("network", "delete", "net-a")
        cloud.client("image", "delete", "guest")
        until("payloads gone", 30, lambda: not [
            f for f in os.listdir(os.path.join(cloud.data, "images")) if not f.startswith(".")])
        until("bridge and namespace gone", 30, lambda: not cloud.namespaces())
        cloud.stop()
        left = left_over(before, host_state())
        report.check("the host is as it was before", not left, "; ".join(left))

    play(report, lambda: Cloud(bin_dir), scenes)


if __name__ == "__main__":
    main()
