#!/usr/bin/python3
"""The rights that the systemd unit leaves are enough for a guest's life on real bridges.

usage: confined.py BIN-DIR GUEST.qcow2
"""
import os
import re
import sys

from harness import ROOT, Cloud, Report, play, until

UNIT = os.path.join(ROOT, "apps/cloudosd/systemd/cloudosd.service")
PAGES = [os.path.join(ROOT, "libcloudos/docs", page) for page in ("service.md", "privileges.md")]


def unit_capabilities():
    with open(UNIT) as f:
        return sorted(word for line in re.findall(r"^CapabilityBoundingSet=(.*)$", f.read(), re.M)
                      for word in line.split())


def table_capabilities(page):
    """Of the page's table of rights: those named in its rows."""
    with open(page) as f:
        rows = [line for line in f if line.startswith("| ") and "none |" not in line]
    names = set()
    for row in rows:
        for cell in re.findall(r"`([A-Z_]+)`", row):
            names.add("CAP_" + cell.removeprefix("CAP_"))
    return sorted(names)


def bounding_set(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"^CapBnd:\s*(\w+)$", f.read(), re.M).group(1), 16)


def lifecycle(cloud, report, guest):
    cloud.cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
              guest, "guest")
    cloud.cli("network", "create", "net-a")
    cloud.cli("subnet", "create", "--network", "net-a", "--subnet-range", "10.79.0.0/24", "sub-a")
    cloud.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network", "net-a",
              "--wait", "alpha")
    server = cloud.cli("server", "show", "alpha")
    report.check("a guest becomes ACTIVE with the unit's rights alone",
                 server["status"] == "ACTIVE", str(server))

    def up(times):
        text = cloud.client("console", "log", "show", "alpha")
        return text if text.count("GUEST-UP alpha ") >= times else None
    until("the guest boots", 90, lambda: up(1))
    report.check("it has its name from metadata and its address from DHCP", True)
    pids = cloud.qemu_pids()
    cloud.stop()
    report.check("the guest runs on without cloudosd", len(pids) == 1 and cloud.qemu_pids() == pids)
    cloud.start()
    until("ACTIVE", 60, lambda: cloud.cli("server", "show", "alpha")["status"] == "ACTIVE")
    cloud.cli("server", "reboot", "--hard", "alpha")
    until("boots again", 90, lambda: up(2))
    report.check("a restarted cloudosd adopts it, and boots it anew", True)
    cloud.cli("server", "delete", "--wait", "alpha")
    cloud.cli("subnet", "delete", "sub-a")
    cloud.cli("network", "delete", "net-a")
    until("namespaces gone", 60, lambda: not cloud.namespaces())
    report.check("what is deleted leaves no QEMU, folder or namespace",
                 not cloud.qemu_pids() and not os.listdir(os.path.join(cloud.data, "servers")))


def main():
    bin_dir, guest = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    report = Report()
    names = unit_capabilities()
    for page in PAGES:
        told = table_capabilities(page)
        report.check("the table of %s has the unit's capabilities and no other" %
                     os.path.basename(page), told == names, str(set(told) ^ set(names)))

    def scenes(cloud, _):
        allowed = ",".join("+" + name.removeprefix("CAP_").lower() for name in names)
        cloud.daemon_prefix = ["setpriv", "--bounding-set=-all," + allowed, "--inh-caps=-all",
                               "--no-new-privs"]
        cloud.start()
        count = bin(bounding_set(cloud.process.pid)).count("1")
        report.check("cloudosd has the unit's capabilities and no other", count == len(names),
                     "%d, not %d" % (count, len(names)))
        lifecycle(cloud, report, guest)
        cloud.stop()

    play(report, lambda: Cloud(bin_dir), scenes)


if __name__ == "__main__":
    main()
