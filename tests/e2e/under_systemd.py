#!/usr/bin/python3
"""The units as they are, under a real systemd: started, reloaded, killed, hung and stopped, while a
guest runs on.

usage: under_systemd.py BIN-DIR GUEST.qcow2
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

from harness import ROOT, Cloud, Failed, Report, host_state, left_over, run, until

UNITS = os.path.join(ROOT, "apps/cloudosd/systemd")
CONFIGURATION = "[cloud]\ndata_dir = /var/lib/cloudos\n[log]\nlevel = %s\n"
# The unit's two minutes are too long for a test, and nothing else of it is changed.
IMPATIENT = "[Service]\nWatchdogSec=4s\nTimeoutStopSec=10s\n"


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(child) for child in f.read().split()]


def pid_space(pid):
    """Which space of process numbers it is in; None once it is gone."""
    try:
        return os.stat("/proc/%d/ns/pid" % pid).st_ino
    except OSError:
        return None


class Machine(Cloud):
    """A machine with a systemd of its own, on which the service is installed as its page says."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir)
        self.host_data = os.path.join(self.dir, "data")
        self.data = "/var/lib/cloudos"
        self.env["OS_CLIENT_CONFIG_FILE"] = os.path.join(self.host_data, "clouds.yaml")
        self.files = os.path.join(self.dir, "files")
        os.mkdir(self.host_data)
        os.makedirs(os.path.join(self.files, "usr/bin"))
        shutil.copy(os.path.join(bin_dir, "cloudosd"), os.path.join(self.files, "usr/bin"))
        for unit in ("cloudosd.service", "cloudosd.socket"):
            self.write("etc/systemd/system/" + unit, open(os.path.join(UNITS, unit)).read())
        self.write("etc/systemd/system/cloudosd.service.d/impatient.conf", IMPATIENT)
        self.write("etc/cloudos/cloudos.conf", CONFIGURATION % "info")
        self.machine = self.first = None

    def write(self, path, text):
        path = os.path.join(self.files, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def boot(self):
        ours, theirs = os.openpty()
        self.machine = subprocess.Popen([os.path.join(ROOT, "tests/e2e/systemd-machine"), self.dir],
                                        stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.console = b""
        self.reader = threading.Thread(target=self.read_console, args=(ours,))
        self.reader.start()

        def first():
            if self.machine.poll() is not None:
                raise Failed("the machine did not start: " + self.tail())
            return [pid for pid in children(self.machine.pid)
                    if pid_space(pid) not in (None, pid_space(os.getpid()))]
        self.first = until("a first process", 10, first)[0]
        # The first program there is a shell, until it has made the machine.
        until("systemd", 20, lambda: os.path.basename(os.readlink("/proc/%d/exe" % self.first))
              == "systemd")
        self.prefix = ["nsenter", "--target", str(self.first), "--net"]
        until("its manager answers", 20, lambda: self.systemctl(
            "is-active", "basic.target", check=False).stdout.strip() == "active")

    def read_console(self, terminal):
        while True:
            try:
                said = os.read(terminal, 4096)
            except OSError:
                break
            if not said:
                break
            self.console = (self.console + said)[-20000:]
        os.close(terminal)

    def tail(self):
        return self.console.decode(errors="replace").replace("\r", "")[-3000:]

    def journal(self):
        if self.first is None:
            return ""
        return self.inside("journalctl", "--no-pager", "-n", "60", "-u", "cloudosd.service",
                           check=False).stdout

    def inside(self, *words, check=True, timeout=60):
        return run(["nsenter", "--target", str(self.first), "--all", "--root", "--wd", *words], check=check,
                   timeout=timeout)

    def systemctl(self, *words, **kw):
        return self.inside("systemctl", *words, **kw)

    def shown(self, name):
        return self.systemctl("show", "--property=" + name, "--value",
                              "cloudosd.service").stdout.strip()

    def main_pid(self):
        """As this machine counts; None while there is none."""
        inner = self.shown("MainPID")
        for pid in self.pids():
            with open("/proc/%d/status" % pid) as f:
                found = re.search(r"^NSpid:.*\s(\d+)$", f.read(), re.M)
            if found and found.group(1) == inner:
                return pid
        return None

    def pids(self):
        """Every process of the machine."""
        space = pid_space(self.first)
        return [int(pid) for pid in filter(str.isdigit, os.listdir("/proc"))
                if space is not None and pid_space(int(pid)) == space]

    def qemu_pids(self):
        ours = self.pids()
        return [pid for pid in super().qemu_pids() if pid in ours]

    def end(self):
        if self.machine is not None:
            self.machine.kill()  # Its child is killed with it, and all that this one began.
            self.machine.wait()
            self.reader.join()
        group = next((line.split()[1] for line in open("/proc/mounts")
                      if line.split()[2] == "cgroup2"), "")
        group = os.path.join(group, "cloudos-" + os.path.basename(self.dir))

        def gone():
            for folder, _, _ in os.walk(group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    return False
            return True
        until("its control group is empty", 20, gone)
        shutil.rmtree(self.dir, ignore_errors=True)


def started(machine, report):
    analysis = machine.inside("systemd-analyze", "verify", "/etc/systemd/system/cloudosd.service",
                              "/etc/systemd/system/cloudosd.socket", check=False)
    complaints = [line for line in analysis.stderr.splitlines() if "cloudosd" in line]
    report.check("systemd finds nothing wrong with the units",
                 analysis.returncode == 0 and not complaints, analysis.stderr)
    machine.systemctl("start", "cloudosd.socket")
    machine.systemctl("start", "cloudosd.service")
    report.check("the service is active once it answers",
                 machine.shown("ActiveState") == "active" and
                 machine.cli("server", "list") == [], machine.shown("StatusText"))
    with open(os.path.join(UNITS, "cloudosd.service")) as f:
        count = sum(len(line.split("=")[1].split()) for line in f
                    if line.startswith("CapabilityBoundingSet="))
    with open("/proc/%d/status" % machine.main_pid()) as f:
        status = f.read()
    bound = int(re.search(r"^CapBnd:\s*(\w+)$", status, re.M).group(1), 16)
    report.check("it has the unit's capabilities and no other", bin(bound).count("1") == count)
    report.check("it can get no new ones", "NoNewPrivs:\t1" in status)
    read_only = run(["nsenter", "--target", str(machine.main_pid()), "--mount", "--root", "touch",
                     "/usr/probe"], check=False)
    report.check("it sees the system as read-only", read_only.returncode != 0 and
                 "Read-only" in read_only.stderr, read_only.stderr)


def guest_boots(machine, guest):
    machine.cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--file",
                guest, "guest")
    machine.cli("network", "create", "net-a")
    machine.cli("subnet", "create", "--network", "net-a", "--subnet-range", "10.80.0.0/24", "sub-a")
    machine.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network", "net-a",
                "--wait", "alpha")
    until("the guest boots", 90, lambda: up(machine, 1))


def up(machine, times):
    text = machine.client("console", "log", "show", "alpha")
    return text.count("GUEST-UP alpha ") >= times


def active(machine):
    done = machine.cli("server", "show", "alpha", check=False)
    return done.returncode == 0 and '"ACTIVE"' in done.stdout


def reloaded(machine, report):
    before = machine.main_pid()
    where = "/etc/cloudos/cloudos.conf"

    def put(text):
        machine.inside("sh", "-c", 'printf %s "$1" > "$2"', "sh", text, where)
    for level, name in (("error", "unheard"), ("info", "heard")):
        put(CONFIGURATION % level)
        machine.systemctl("reload", "cloudosd.service")
        machine.cli("server", "show", name, check=False)
    until("its log goes on", 10, lambda: "servers/heard " in machine.journal())
    report.check("a reload leaves the process, and what the file says holds",
                 machine.main_pid() == before and machine.shown("ActiveState") == "active" and
                 "servers/unheard " not in machine.journal(), machine.journal())
    put("no such line\n")
    machine.systemctl("reload", "cloudosd.service", check=False)
    told = until("a status", 10, lambda: "fail" in (t := machine.shown("StatusText")).lower() and t)
    report.check("one of a bad file says so in the status, and the service runs on",
                 machine.main_pid() == before and active(machine), told)
    machine.systemctl("restart", "cloudosd.service", check=False)
    until("failed", 20, lambda: machine.shown("ActiveState") == "failed")
    report.check("a bad configuration is not tried again",
                 machine.shown("ExecMainStatus") == "2" and machine.shown("NRestarts") == "0",
                 machine.shown("ExecMainStatus"))
    put(CONFIGURATION % "info")
    machine.systemctl("reset-failed", "cloudosd.service", "cloudosd.socket")
    machine.systemctl("start", "cloudosd.socket", "cloudosd.service")
    until("ACTIVE", 60, lambda: active(machine))


def broken(machine, report, pids):
    def again(what, old):
        until(what, 60, lambda: machine.shown("ActiveState") == "active" and
              machine.main_pid() != old and active(machine))
    old = machine.main_pid()
    os.kill(old, signal.SIGKILL)
    again("started again after a kill", old)
    report.check("a killed service is started again, and the guest runs on",
                 machine.qemu_pids() == pids and machine.shown("NRestarts") == "1",
                 machine.shown("NRestarts"))
    old = machine.main_pid()
    os.kill(old, signal.SIGSTOP)
    again("started again by the watchdog", old)
    report.check("one that hangs is ended by the watchdog and started again, and the guest runs on",
                 machine.qemu_pids() == pids and machine.shown("NRestarts") == "2",
                 machine.shown("NRestarts"))


def stopped(machine, report, pids):
    machine.systemctl("stop", "cloudosd.service")
    report.check("a stopped service leaves the guest", machine.qemu_pids() == pids and
                 machine.shown("ActiveState") == "inactive", machine.shown("ActiveState"))
    report.check("who asks the socket starts the service and is answered",
                 active(machine) and machine.shown("ActiveState") == "active")
    machine.systemctl("restart", "cloudosd.service")
    machine.cli("server", "reboot", "--hard", "alpha")
    until("boots again", 90, lambda: up(machine, 2))
    report.check("after all that the guest boots anew, with its address and its name", True)
    machine.cli("server", "delete", "--wait", "alpha")
    machine.cli("subnet", "delete", "sub-a")
    machine.cli("network", "delete", "net-a")

    def names():
        return [p for p in machine.pids() if b"dnsmasq" in open("/proc/%d/cmdline" % p, "rb").read()]
    until("no DHCP server", 60, lambda: not names())
    report.check("what is deleted leaves no QEMU, folder or DHCP server",
                 not machine.qemu_pids() and
                 not os.listdir(os.path.join(machine.host_data, "servers")))


def main():
    bin_dir, guest = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    report = Report()
    before = host_state()
    machine = Machine(bin_dir)
    try:
        machine.boot()
        started(machine, report)
        guest_boots(machine, guest)
        pids = machine.qemu_pids()
        report.check("a guest boots to its login under the unit", len(pids) == 1 and
                     active(machine))
        reloaded(machine, report)
        report.check("the guest ran on", machine.qemu_pids() == pids)
        broken(machine, report, pids)
        stopped(machine, report, pids)
    except (Failed, OSError, subprocess.TimeoutExpired, KeyError, ValueError) as trouble:
        report.check("the scenario runs to its end", False, str(trouble))
        print("# the machine said:\n%s\n%s" % (machine.tail(), machine.journal()))
    finally:
        machine.end()
    left = left_over(before, host_state())
    report.check("the host is as it was", not left, "; ".join(left))
    report.end()


if __name__ == "__main__":
    main()
