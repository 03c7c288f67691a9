#!/usr/bin/python3
"""Uploads, imports, conversions and copies of images by a process that is killed again and again,
and on a disk that is full: nothing is left behind, what is counted equals the records, and no
change is without its event. Needs no guest; the full disk needs root (a small tmpfs).

usage: image_crashes.py BIN-DIR
"""
import http.client
import json
import os
import shutil
import sys
import threading
import time

from harness import Cloud, Failed, Report, run, until
from image_import import Web

SIZE = 6 << 20
KILLS = 12


class Site(Cloud):
    """A cloud with a second store, driven by plain HTTP: nothing of a client's own slows it."""

    def __init__(self, bin_dir):
        super().__init__(bin_dir)
        self.second = os.path.join(self.dir, "second")
        os.environ.update({"CLOUDOS_HYPERVISOR_BACKEND": "simulated",
                           "CLOUDOS_NETWORK_BACKEND": "simulated",
                           "CLOUDOS_IDENTITY_PASSWORD_COST": "4",
                           "CLOUDOS_IMAGE_STORES": "second:" + self.second,
                           "CLOUDOS_IMAGE_DEFAULT_STORE": "file",
                           "CLOUDOS_IMAGE_CONVERSION_FORMAT": "qcow2",
                           "CLOUDOS_IMAGE_WEB_PORTS": "any",
                           "CLOUDOS_IMAGE_WEB_ALLOWED_NETWORKS": "127.0.0.1"})
        self.token = None

    def ask(self, method, path, body=None, raw=None, kind="application/json"):
        """Status and JSON; status 0 when the process went away."""
        headers = {"X-Auth-Token": self.token} if self.token else {}
        if body is not None or raw is not None:
            headers["Content-Type"] = kind
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            link.request(method, path, raw if raw is not None else
                         json.dumps(body) if body is not None else None, headers)
            answer = link.getresponse()
            text = answer.read()
            if path.endswith("/auth/tokens"):
                self.token = answer.headers["X-Subject-Token"]
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, {"text": text.decode(errors="replace")}
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            link.close()

    def log_in(self):
        with open(os.path.join(self.data, "keys", "admin-password")) as f:
            password = f.read().strip()
        self.token = None
        user = {"name": "admin", "domain": {"id": "default"}, "password": password}
        status, said = self.ask("POST", "/v3/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}})
        if status != 201:
            raise Failed("no login: %d %s" % (status, said))

    def new_image(self, name, **more):
        return self.ask("POST", "/image/v2/images", {
            "name": name, "disk_format": "raw", "container_format": "bare", **more})

    def images(self):
        status, said = self.ask("GET", "/image/v2/images?limit=500")
        return said["images"] if status == 200 else None

    def settled(self):
        """Nothing is on its way any more; images whose upload was cut off are queued again, and
        what was staged whole is imported after all."""
        moving = []

        def still():
            images = self.images()
            moving[:] = [i for i in images or []
                         if i["status"] in ("saving", "uploading", "importing") or
                         i.get("os_glance_importing_to_stores")]
            for image in moving:
                if image["status"] == "uploading":  # Answers 409 while that is not to be.
                    self.ask("POST", "/image/v2/images/%s/import" % image["id"],
                             {"method": {"name": "glance-direct"}})
            return images is not None and not moving
        try:
            until("every image is settled", 90, still)
        except Failed as trouble:
            raise Failed("%s: %s" % (trouble, moving))

    def converting(self):
        """The converter works on a disk right now."""
        try:
            return bool(os.listdir(os.path.join(self.data, "image-staging", "converted")))
        except OSError:
            return False

    def converters(self):
        """Processes of the converter that work on this folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read()
            except OSError:
                continue
            if b"/qemu-img\0" in words and self.data.encode() in words:
                found.append(pid)
        return found

    def holds(self, image, data):
        """Is this what the image is of, byte by byte, in whatever format?"""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        link.request("GET", "/image/v2/images/%s/file" % image["id"], None,
                     {"X-Auth-Token": self.token})
        got = link.getresponse().read()
        link.close()
        if image["disk_format"] == "raw":
            return got == data
        disk, raw = (os.path.join(self.dir, name) for name in ("back.qcow2", "back.raw"))
        with open(disk, "wb") as f:
            f.write(got)
        run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", disk, raw])
        with open(raw, "rb") as f:
            return f.read() == data

    def checked(self):
        """What a check of the folder says against it; nothing when all is well."""
        done = run([os.path.join(self.bin, "cloudos"), "store", "check", self.data,
                    "--read-payloads", "--store", "second=" + self.second], check=False)
        left = [n for n in os.listdir(os.path.join(self.data, "images")) if n.endswith(".part")]
        staged = sum(len(f) for _, _, f in os.walk(os.path.join(self.data, "image-staging")))
        if done.returncode == 0 and not left and not staged and "note:" not in done.stdout:
            return ""
        return "%s %s parts %s staged %d" % (done.stdout, done.stderr, left, staged)


def storm(cloud, web, base, round_number):
    """All that brings data in, at once."""
    def upload(at):
        status, image = cloud.new_image("up-%d-%d" % (round_number, at))
        if status == 201:
            cloud.ask("PUT", "/image/v2/images/%s/file" % image["id"], raw=web.data,
                      kind="application/octet-stream")

    def fetch():
        status, image = cloud.new_image("web-%d" % round_number)
        if status == 201:
            cloud.ask("POST", "/image/v2/images/%s/import" % image["id"],
                      {"method": {"name": "web-download", "uri": web.url()}})

    def convert():
        status, image = cloud.new_image("staged-%d" % round_number)
        if status == 201:
            cloud.ask("PUT", "/image/v2/images/%s/stage" % image["id"], raw=web.data,
                      kind="application/octet-stream")
            cloud.ask("POST", "/image/v2/images/%s/import" % image["id"],
                      {"method": {"name": "glance-direct"}})

    def copy():
        cloud.ask("POST", "/image/v2/images/%s/import" % base,
                  {"method": {"name": "copy-image"}, "stores": ["second"]})
        cloud.ask("DELETE", "/image/v2/stores/second/%s" % base)

    def remove():
        for image in (cloud.images() or [])[-2:]:
            if image["id"] != base:
                cloud.ask("DELETE", "/image/v2/images/" + image["id"])

    threads = [threading.Thread(target=t) for t in
               (lambda: upload(0), lambda: upload(1), fetch, convert, copy, remove)]
    for thread in threads:
        thread.start()
    return threads


def killed(cloud, report, web):
    web.slow = 0.02
    status, image = cloud.new_image("base")
    base = image["id"]
    cloud.ask("PUT", "/image/v2/images/%s/file" % base, raw=web.data,
              kind="application/octet-stream")
    bad, in_conversion, alive = [], 0, []
    for round_number in range(KILLS):
        threads = storm(cloud, web, base, round_number)
        if round_number % 2:  # Every other one while a disk is converted.
            end = time.monotonic() + 20
            while not cloud.converting() and time.monotonic() < end:
                time.sleep(0.002)
        else:
            time.sleep(0.03 + 0.045 * round_number)
        in_conversion += cloud.converting()
        cloud.kill()
        for thread in threads:
            thread.join(60)
        try:
            until("no converter outlives its cloud", 5, lambda: not cloud.converters())
        except Failed:
            alive += cloud.converters()
        cloud.start()
        cloud.log_in()
        cloud.settled()
        # The leftovers of a killed process go with the first pass of a reconciler.
        try:
            until("the folder is clean", 30, lambda: not cloud.checked())
        except Failed:
            bad.append("round %d: %s" % (round_number, cloud.checked()))
    report.check("%d times killed in the midst of it, nothing is left and quotas equal records" %
                 KILLS, not bad, bad[:2])
    report.check("of these, %d times while a disk was converted" % in_conversion,
                 in_conversion >= KILLS // 4)
    report.check("no converter outlived its cloud", not alive, alive)
    status, image = cloud.new_image("at last")
    cloud.ask("POST", "/image/v2/images/%s/import" % image["id"],
              {"method": {"name": "web-download", "uri": web.url()}})
    cloud.settled()
    shown = cloud.ask("GET", "/image/v2/images/" + image["id"])[1]
    report.check("an import after all that is converted",
                 shown.get("status") == "active" and shown.get("disk_format") == "qcow2", shown)
    active = [i for i in cloud.images() if i["status"] != "queued"]
    torn = [i for i in active if i["status"] != "active" or not cloud.holds(i, web.data)]
    report.check("what is active (%d) is whole" % len(active), active and not torn, torn)
    told = events(cloud, "create")
    report.check("every image has the event of its making",
                 all(i["id"] in told for i in cloud.images()))
    web.slow = 0.0


def events(cloud, action):
    """Targets of the audit log's events of images."""
    found, marker = set(), ""
    while True:
        status, said = cloud.ask("GET", "/audit/v1/events?kind=image&limit=100&action=%s%s" % (
            action, "&marker=" + marker if marker else ""))
        page = said.get("events", [])
        found.update(e["target"]["id"] for e in page)
        if status != 200 or len(page) < 100:
            return found
        marker = page[-1]["id"]


def full(cloud, report, data):
    """A disk without room: changes are refused for that reason, and none is half made."""
    before = len(cloud.images())
    status, image = cloud.new_image("too large")
    status, said = cloud.ask("PUT", "/image/v2/images/%s/file" % image["id"], raw=data,
                             kind="application/octet-stream")
    report.check("an upload that the disk has no room for is refused",
                 status in (413, 507), "%d %s" % (status, said))
    shown = cloud.ask("GET", "/image/v2/images/" + image["id"])[1]
    report.check("and its image is queued again", shown.get("status") == "queued", shown)
    filler = os.path.join(cloud.data, "filler")
    with open(filler, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    made, refused = [], None
    for number in range(400):
        # Large, so that what the store has free within its file is soon used up.
        status, said = cloud.new_image("full-%d" % number, note="x" * 20000)
        if status != 201:
            refused = (status, said)
            break
        made.append(said["id"])
    report.check("a change that the store has no room for is refused and says why",
                 refused is not None and refused[0] in (413, 503, 507), refused)
    os.unlink(filler)
    report.check("what was accepted before is there, what was refused is not",
                 len(cloud.images()) == before + 1 + len(made))
    told = events(cloud, "create")
    report.check("with an event each", all(i in told for i in made))
    status, said = cloud.new_image("room again")
    report.check("with room it goes on at once", status == 201, said)
    trouble = cloud.checked()
    report.check("the folder is whole", not trouble, trouble)


def on_a_full_disk(bin_dir, report):
    cloud = Site(bin_dir)
    os.mkdir(cloud.data)
    run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", cloud.data])
    try:
        cloud.start()
        cloud.log_in()
        full(cloud, report, os.urandom(64 << 20))
    finally:
        try:
            cloud.stop()
        finally:
            run(["umount", cloud.data], check=False)
            shutil.rmtree(cloud.dir, ignore_errors=True)


def main():
    report = Report()
    web = Web(os.urandom(SIZE))
    cloud = Site(sys.argv[1])
    try:
        cloud.start()
        cloud.log_in()
        killed(cloud, report, web)
    except Failed as trouble:
        report.check("a process that is killed", False, str(trouble))
    finally:
        cloud.end()
        web.end()
    if os.geteuid() == 0:
        try:
            on_a_full_disk(sys.argv[1], report)
        except Failed as trouble:
            report.check("a disk that is full", False, str(trouble))
    report.end()


if __name__ == "__main__":
    main()
