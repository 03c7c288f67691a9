#!/usr/bin/python3
"""The machine goes down with everything on it, and comes up again: what ran runs again, or is shown
for what it is.

usage: host_restart.py BIN-DIR GUEST.qcow2
"""
import os
import signal
import sys
import uuid

from harness import Cloud, Failed, Report, play, run, until


class Machine(Cloud):
    """A cloud on a machine that restarts: its network is a namespace, which goes and comes with it,
    and a start of the kernel is told by its boot_id."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir)
        self.name = "e2e-machine-%d" % os.getpid()
        self.boot_file = os.path.join(self.dir, "boot_id")
        self.prefix = ["ip", "netns", "exec", self.name]
        self.daemon_prefix = self.prefix + [
            "sh", "-c", 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"',
            self.boot_file]
        self.come_up()

    def come_up(self):
        run(["ip", "netns", "add", self.name])
        run(self.prefix + ["ip", "link", "set", "lo", "up"])
        with open(self.boot_file, "w") as f:
            f.write("%s\n" % uuid.uuid4())

    def daemons(self):
        """What serves the folder's networks."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read()
            except OSError:
                continue
            if b"dnsmasq" in words.split(b"\0")[0] and self.data.encode() in words:
                found.append(int(pid))
        return found

    def lose_guests(self):
        for pid in self.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        until("no QEMU", 30, lambda: not self.qemu_pids())

    def vanish(self):
        """No process, no device, no rule: only the disk is left."""
        self.lose_guests()
        for pid in self.daemons():
            os.kill(pid, signal.SIGKILL)
        for name in self.namespaces() + [self.name]:
            run(["ip", "netns", "delete", name], check=False)

    def restart(self):
        self.kill()
        self.vanish()
        self.come_up()

    def end(self):
        try:
            ours = self.namespaces()
        except OSError:
            ours = []
        super().end()
        for pid in self.daemons():
            os.kill(pid, signal.SIGKILL)
        for name in ours + [self.name]:
            run(["ip", "netns", "delete", name], check=False)

    def status(self, name):
        return self.cli("server", "show", name)["status"]

    def up(self, name, count):
        def console():
            return self.cli("console", "log", "show", name, check=False).stdout
        try:
            until("%s boots for the %d. time" % (name, count), 120,
                  lambda: console().count("GUEST-UP %s " % name) >= count)
        except Failed as late:
            with open(os.path.join(self.dir, "cloudosd.log"), errors="replace") as f:
                said = [line for line in f.read().splitlines() if " rest " not in line][-30:]
            raise Failed("%s; it is %s, its console: %s\n%s" % (
                late, self.status(name), console()[-1500:], "\n".join(said)))


def scenario(cloud, report, guest):
    cloud.cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare",
              "--file", guest, "guest")
    cloud.cli("network", "create", "net-a")
    cloud.cli("subnet", "create", "--network", "net-a", "--subnet-range", "10.79.0.0/24", "sub-a")
    for name in ("ran", "off"):
        cloud.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network",
                  "net-a", "--wait", name)
        cloud.up(name, 1)
    cloud.cli("server", "stop", "off")
    until("off is off", 90, lambda: cloud.status("off") == "SHUTOFF")

    cloud.restart()
    report.check("the machine comes up with nothing on it",
                 not cloud.qemu_pids() and not cloud.namespaces())
    cloud.start()
    cloud.up("ran", 2)
    until("ran is ACTIVE", 60, lambda: cloud.status("ran") == "ACTIVE")
    report.check("what ran is resumed, with its network: it told its name by metadata", True)
    report.check("what was off stays off",
                 cloud.status("off") == "SHUTOFF" and len(cloud.qemu_pids()) == 1)

    cloud.kill()
    cloud.lose_guests()
    cloud.start()
    until("ran is shown SHUTOFF", 60, lambda: cloud.status("ran") == "SHUTOFF")
    report.check("a guest that ended while the machine ran on is shown SHUTOFF, not resumed",
                 not cloud.qemu_pids())
    cloud.cli("server", "start", "ran")
    cloud.up("ran", 3)

    cloud.restart()
    os.environ["CLOUDOS_COMPUTE_RESUME_GUESTS_STATE_ON_HOST_BOOT"] = "no"
    cloud.start()
    until("ran is shown SHUTOFF", 60, lambda: cloud.status("ran") == "SHUTOFF")
    report.check("with the option off what ran is shown SHUTOFF, and nothing runs",
                 not cloud.qemu_pids())
    cloud.cli("server", "start", "ran")
    cloud.up("ran", 4)
    report.check("and may be started", cloud.status("ran") == "ACTIVE")


def main():
    bin_dir, guest = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    report = Report()

    def scenes(cloud, _):
        cloud.start()
        scenario(cloud, report, guest)

    play(report, lambda: Machine(bin_dir), scenes)


if __name__ == "__main__":
    main()
