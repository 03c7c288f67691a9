"""A cloud under test, the unmodified client, and a look at the host before and after."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failed(Exception):
    pass


def run(argv, check=True, timeout=120, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **kw)
    if check and done.returncode != 0:
        raise Failed("%s ended with %d: %s" % (" ".join(argv), done.returncode,
                                               (done.stderr or done.stdout).strip()[-2000:]))
    return done


def until(what, seconds, look):
    """Waits for `look` to return something true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise Failed("%s: not within %d s" % (what, seconds))
        time.sleep(0.1)


def host_state():
    """What a cloud could leave behind on the host, as sets of text."""
    def lines(argv):
        return set(run(argv, check=False).stdout.splitlines())
    processes = set()
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(name in words[0] for name in ("qemu-system", "dnsmasq", "cloudosd")):
            processes.add("%s %s" % (pid, words[0]))
    links = set(os.listdir("/sys/class/net"))
    mounts = {line.split()[1] for line in open("/proc/mounts")}
    return {"process": processes, "device": links, "mount": mounts,
            "name in /run": {f for f in os.listdir("/run") if f.startswith("cloudos")},
            "namespace": {line.split()[0] for line in lines(["ip", "netns", "list"])},
            "nft table": lines(["nft", "list", "tables"])}


def left_over(before, after):
    found = []
    for kind, things in after.items():
        # /run/netns itself stays mounted once anything made a namespace, as with `ip netns`.
        found += ["%s %s" % (kind, t) for t in sorted(things - before[kind])
                  if not (kind == "mount" and t == "/run/netns")]
    return found


class Cloud:
    """One cloudosd on a folder of its own."""

    def __init__(self, bin_dir):
        self.bin = bin_dir
        self.dir = tempfile.mkdtemp(prefix="cloudos-e2e-")
        # Longer than QEMU's sockets take: the cloud has to find a short name for it.
        self.data = os.path.join(self.dir, "data-in-a-folder-whose-path-is-too-long-for-sockets")
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.process = None
        self.prefix, self.daemon_prefix = [], []  # Where clients and cloudosd run, as a command.
        self.env = {"PATH": os.environ["PATH"], "HOME": self.dir, "LC_ALL": "C.UTF-8",
                    "OS_CLOUD": "cloudos",
                    "OS_CLIENT_CONFIG_FILE": os.path.join(self.data, "clouds.yaml")}

    def start(self):
        self.log = open(os.path.join(self.dir, "cloudosd.log"), "ab")
        self.process = subprocess.Popen(
            self.daemon_prefix +
            [os.path.join(self.bin, "cloudosd"), "--data-dir", self.data, "--listen",
             "127.0.0.1:%d" % self.port, "--public-url", "http://127.0.0.1:%d" % self.port],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "ready" not in line:
            raise Failed("cloudosd did not start: %s %s" % (line, self.tail()))

    def tail(self):
        with open(os.path.join(self.dir, "cloudosd.log"), errors="replace") as f:
            return f.read()[-3000:]

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed("cloudosd did not end within 30 s of signal %d" % how)
        finally:
            self.process.stdout.close()
            self.log.close()
            self.process = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def client(self, *words, check=True, timeout=180):
        """The unmodified client; its answer as JSON where it can give one."""
        argv = self.prefix + ["/usr/bin/openstack"] + list(words)
        verb = [w for w in words if w in ("create", "list", "show", "issue")]
        as_json = bool(verb) and "log" not in words
        done = run(argv + (["-f", "json"] if as_json else []), check=check, timeout=timeout,
                   env=self.env)
        if not check:
            return done
        return json.loads(done.stdout) if as_json and done.stdout.strip() else done.stdout

    def cli(self, *words, check=True, timeout=120):
        """Our own client: the same API, faster; where the other has shown that it works."""
        shows = any(w in ("create", "list", "show", "issue") for w in words)
        done = run(self.prefix + [os.path.join(self.bin, "cloudos")] + list(words) +
                   (["-f", "json"] if shows else []), check=check, timeout=timeout, env=self.env)
        if not check:
            return done
        return json.loads(done.stdout) if done.stdout.strip() else None

    def folder_id(self):
        with open(os.path.join(self.data, "folder-id")) as f:
            return f.read().strip()

    def namespaces(self):
        names = run(["ip", "netns", "list"], check=False).stdout.split("\n")
        return [n.split()[0] for n in names if n.startswith("cloudos-" + self.folder_id())]

    def qemu_pids(self):
        found = []
        for pid in os.listdir("/proc"):
            if not pid.isdigit():
                continue
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read()
            except OSError:
                continue
            if b"qemu-system" in words.split(b"\0")[0] and self.data.encode() in words:
                found.append(int(pid))
        return sorted(found)

    def end(self):
        """Whatever state a failed test left: servers and networks away, then process and folder."""
        try:
            if self.process is None:
                self.start()
            for noun in ("server", "port", "subnet", "network"):
                for row in self.cli(noun, "list") or []:
                    self.cli(noun, "delete", row.get("ID") or row.get("id"), check=False)
                if noun == "server":
                    until("servers gone", 60, lambda: not self.cli("server", "list"))
        except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as trouble:
            print("# clean-up: %s" % trouble)
        try:
            self.stop()
        except Failed as trouble:
            print("# clean-up: %s" % trouble)
        for pid in self.qemu_pids():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


# What is thrown where the cloud does not do what a scenario asks of it.
TROUBLE = (Failed, OSError, subprocess.TimeoutExpired, LookupError, ValueError)


def play(report, make_cloud, scenes):
    """Calls scenes(cloud, before) with a cloud made for them and the host's state before; whatever
    comes of it, the cloud is ended, the host looked at, and the program ends with the report."""
    before = host_state()
    cloud = make_cloud()
    try:
        scenes(cloud, before)
    except TROUBLE as trouble:
        report.check("the scenario runs to its end", False, "%s: %s" % (type(trouble).__name__,
                                                                        trouble))
        print("# cloudosd said:\n" + cloud.tail())
    finally:
        cloud.end()
    left = left_over(before, host_state())
    report.check("the host is as it was", not left, "; ".join(left))
    report.end()


class Report:
    """Counts sentences that held and that did not."""

    def __init__(self):
        self.passed = self.failed = 0
        self.started = time.monotonic()

    def check(self, sentence, holds, why=""):
        at = time.monotonic() - self.started
        if holds:
            self.passed += 1
            print("ok   %6.1f s  %s" % (at, sentence), flush=True)
        else:
            self.failed += 1
            print("FAIL %6.1f s  %s %s" % (at, sentence, why), flush=True)
        return holds

    def end(self):
        print("%d passed, %d failed" % (self.passed, self.failed), flush=True)
        sys.exit(1 if self.failed else 0)
