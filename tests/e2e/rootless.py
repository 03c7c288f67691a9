#!/usr/bin/python3
"""A real guest without any right: cloudosd as nobody, on a user-mode network.

usage: rootless.py BIN-DIR GUEST.qcow2
"""
import os
import shutil
import subprocess
import sys

from harness import Cloud, Failed, Report, play, until

NOBODY = 65534


class RootlessCloud(Cloud):
    """cloudosd as a user that owns its data folder and nothing else; as ourselves without root."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir)
        # What that user can reach: a copy of the program, and a folder of its own.
        self.corner = os.path.join(self.dir, "corner")
        os.mkdir(self.corner)
        shutil.copy(os.path.join(bin_dir, "cloudosd"), self.dir)
        self.data = os.path.join(self.corner, "data")
        self.env["OS_CLIENT_CONFIG_FILE"] = os.path.join(self.data, "clouds.yaml")
        os.chmod(self.dir, 0o755)
        if os.geteuid() == 0:
            os.chown(self.corner, NOBODY, NOBODY)

    def start(self):
        self.log = open(os.path.join(self.dir, "cloudosd.log"), "ab")
        words = [os.path.join(self.dir, "cloudosd"), "--data-dir", self.data, "--listen",
                 "127.0.0.1:%d" % self.port]
        if os.geteuid() == 0:
            words = ["setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups",
                     "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"] + words
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "CLOUDOS_NETWORK_BACKEND": "user"})
        line = self.process.stdout.readline()
        if "ready" not in line:
            raise Failed("cloudosd did not start: %s %s" % (line, self.tail()))


def capabilities(pid):
    with open("/proc/%d/status" % pid) as f:
        rows = dict(line.split(":", 1) for line in f)
    return int(rows["CapEff"], 16), int(rows["Uid"].split()[1])


def lifecycle(cloud, report, guest):
    cloud.cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
              guest, "guest")
    cloud.cli("network", "create", "net-a")
    cloud.cli("subnet", "create", "--network", "net-a", "--subnet-range", "10.78.0.0/24", "sub-a")
    cloud.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network", "net-a",
              "--wait", "alpha")
    server = cloud.cli("server", "show", "alpha")
    report.check("a user without any right boots a real guest", server["status"] == "ACTIVE",
                 str(server))
    pids = cloud.qemu_pids()
    report.check("QEMU runs as that user, with no capability",
                 len(pids) == 1 and capabilities(pids[0]) == (0, NOBODY if os.geteuid() == 0
                                                              else os.geteuid()))
    console = os.path.join(cloud.data, "servers", os.listdir(os.path.join(cloud.data, "servers"))[0],
                           "console.log")

    def text():
        with open(console, errors="replace") as f:
            return f.read()
    until("the guest boots", 90, lambda: "GUEST-UP alpha " in text())
    up = [line for line in text().splitlines() if line.startswith("GUEST-UP")][0]
    address = up.split()[2]
    report.check("the guest has the port's address by DHCP", address in str(server["addresses"]),
                 "%s %s" % (up, server["addresses"]))
    with open("/proc/%d/cmdline" % pids[0], "rb") as f:
        words = f.read()
    report.check("QEMU has a NAT of its own and no device of the host's",
                 b"dhcpstart=" + address.encode() in words and b'"tap"' not in words and
                 b"tap," not in words)

    cloud.stop()
    report.check("the guest runs on without cloudosd", cloud.qemu_pids() == pids)
    cloud.start()
    report.check("the restarted cloudosd adopts the running guest",
                 until("ACTIVE", 30, lambda: cloud.cli("server", "show", "alpha")["status"]) ==
                 "ACTIVE" and cloud.qemu_pids() == pids)
    cloud.cli("server", "reboot", "--hard", "alpha")
    until("boots again", 90, lambda: text().count("GUEST-UP alpha %s" % address) == 2)
    report.check("a hard reboot boots it anew, with the same address", True)
    cloud.cli("server", "delete", "alpha")
    until("gone", 60, lambda: not cloud.qemu_pids())
    report.check("a deleted server leaves no QEMU and no folder",
                 until("no folder", 30,
                       lambda: not os.listdir(os.path.join(cloud.data, "servers"))))


def main():
    bin_dir, guest = sys.argv[1:3]
    report = Report()

    def scenes(cloud, _):
        cloud.start()
        lifecycle(cloud, report, guest)

    play(report, lambda: RootlessCloud(bin_dir), scenes)


if __name__ == "__main__":
    main()
