#!/usr/bin/python3
"""A data folder that moves to another path and another machine's name, and one from a backup.

usage: moved_folder.py BIN-DIR GUEST.qcow2
"""
import os
import subprocess
import sys

from harness import Cloud, Failed, Report, play, run, until


class Elsewhere(Cloud):
    """A cloud whose machine may be called otherwise."""
    machine = None

    def start(self):
        popen = subprocess.Popen
        if self.machine:
            rename = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self.machine]
            subprocess.Popen = lambda argv, **kw: popen(rename + argv, **kw)
        try:
            super().start()
        finally:
            subprocess.Popen = popen

    def move(self, folder):
        self.data = os.path.join(self.dir, folder)
        self.env["OS_CLIENT_CONFIG_FILE"] = os.path.join(self.data, "clouds.yaml")

    def up(self, count):
        def look():
            text = self.cli("console", "log", "show", "alpha", check=False).stdout
            return text if text.count("GUEST-UP alpha ") >= count else None
        try:
            return until("the guest boots", 120, look)
        except Failed as late:
            text = self.cli("console", "log", "show", "alpha", check=False).stdout
            raise Failed("%s; the server is %s, its console: %s" % (late, self.status(), text[-1500:]))

    def status(self):
        return self.cli("server", "show", "alpha")["status"]


def scenario(cloud, report, guest):
    cloud.cli("image", "create", "--disk-format", "qcow2", "--container-format", "bare",
              "--file", guest, "guest")
    cloud.cli("network", "create", "net-a")
    cloud.cli("subnet", "create", "--network", "net-a", "--subnet-range", "10.78.0.0/24", "sub-a")
    cloud.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network", "net-a",
              "--wait", "alpha")
    cloud.up(1)
    host = cloud.cli("server", "show", "alpha")["OS-EXT-SRV-ATTR:host"]

    saved = os.path.join(cloud.dir, "saved")
    done = run([os.path.join(cloud.bin, "cloudos"), "backup", cloud.data, saved,
                "--payloads", "link"], check=False)
    report.check("a cloud with a running guest is backed up", done.returncode == 0, done.stderr)
    cloud.cli("server", "stop", "alpha")
    until("SHUTOFF", 90, lambda: cloud.status() == "SHUTOFF")
    cloud.stop()

    old = cloud.data
    cloud.move("elsewhere")
    os.rename(old, cloud.data)
    cloud.machine = "another-machine"
    cloud.start()
    report.check("the moved folder's server is there", cloud.status() == "SHUTOFF")
    cloud.cli("server", "start", "alpha")
    cloud.up(2)
    shown = cloud.cli("server", "show", "alpha")
    report.check("it boots from its own disk, under the host's old name",
                 shown["status"] == "ACTIVE" and shown["OS-EXT-SRV-ATTR:host"] == host, str(shown))
    done = run([os.path.join(cloud.bin, "cloudos"), "store", "check", cloud.data], check=False)
    report.check("the folder is sound", done.returncode == 0, done.stdout)
    cloud.cli("server", "delete", "alpha")
    until("server gone", 60, lambda: not cloud.cli("server", "list"))
    cloud.cli("subnet", "delete", "sub-a")
    cloud.cli("network", "delete", "net-a")
    cloud.stop()

    cloud.move("restored")
    done = run([os.path.join(cloud.bin, "cloudos"), "restore", saved, cloud.data], check=False)
    report.check("the backup is restored", done.returncode == 0, done.stderr)
    cloud.start()
    until("the server without a guest is off", 60, lambda: cloud.status() == "SHUTOFF")
    cloud.cli("server", "start", "alpha", check=False)
    until("its task fails", 120, lambda: [
        t for t in cloud.cli("task", "list")
        if t["Type"] == "start-server" and t["State"] == "failed"])
    report.check("a server whose disk is not in the backup stays off", cloud.status() == "SHUTOFF")
    cloud.cli("server", "create", "--image", "guest", "--flavor", "m1.nano", "--network", "net-a",
              "--wait", "beta")
    report.check("new servers run from the restored image",
                 cloud.cli("server", "show", "beta")["status"] == "ACTIVE")


def main():
    bin_dir, guest = sys.argv[1:3]
    report = Report()

    def scenes(cloud, _):
        cloud.start()
        scenario(cloud, report, guest)

    play(report, lambda: Elsewhere(bin_dir), scenes)


if __name__ == "__main__":
    main()
