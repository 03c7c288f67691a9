#!/usr/bin/python3
"""Imports of images by the unmodified clients, and what a killed process leaves of them. Needs no
guest and no root.

usage: image_import.py BIN-DIR
"""
import base64
import http.server
import os
import sys
import threading
import time

from harness import Failed, Report, run, until
from image_clients import Clients

SIZE = 8 << 20


class Web:
    """A server of one file, which can be made slow, and of redirects to forbidden places."""

    def __init__(self, data):
        web = self
        self.data, self.slow, self.hits = data, 0.0, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.hits.append(self.path)
                if self.path.startswith("/to/"):
                    self.send_response(302)
                    self.send_header("Location", self.path[4:])
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(web.data)))
                self.end_headers()
                try:
                    for at in range(0, len(web.data), 1 << 20):
                        self.wfile.write(web.data[at:at + (1 << 20)])
                        time.sleep(web.slow)
                except OSError:
                    pass

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, path="/disk"):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def end(self):
        self.server.shutdown()
        self.server.server_close()


def status(cloud, name):
    return cloud.cli("image", "show", name)["status"]


def active(cloud, name, seconds=60):
    return until("image %s is active" % name, seconds, lambda: status(cloud, name) == "active")


def staged_files(cloud):
    return sum(len(files) for _, _, files in os.walk(os.path.join(cloud.data, "image-staging")))


def same_data(cloud, name, data):
    back = os.path.join(cloud.dir, "back")
    cloud.cli("image", "save", name, "--file", back)
    with open(back, "rb") as f:
        return f.read() == data


def by_terminal(cloud, *words):
    """glance takes whatever is not a terminal for the data itself."""
    ours, theirs = os.openpty()
    try:
        run(["/usr/bin/glance"] + list(words), timeout=120, env=cloud.env, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def by_glance(cloud, report, web, path):
    methods = cloud.glance("import-info").stdout
    report.check("glance: the methods are listed", all(
        m in methods for m in ("web-download", "copy-image")), methods)
    by_terminal(cloud, "image-create-via-import", "--name", "direct", "--disk-format", "raw",
                "--container-format", "bare", "--file", path)
    active(cloud, "direct")
    report.check("glance: image-create-via-import brings a file in",
                 same_data(cloud, "direct", web.data))
    by_terminal(cloud, "image-create", "--name", "steps", "--disk-format", "raw",
                "--container-format", "bare")
    one = cloud.cli("image", "show", "steps")["id"]
    by_terminal(cloud, "image-stage", "--file", path, one)
    report.check("glance: staged data makes it uploading", status(cloud, one) == "uploading")
    by_terminal(cloud, "image-import", "--import-method", "glance-direct", one)
    active(cloud, one)
    report.check("glance: image-stage and image-import do it in two steps",
                 same_data(cloud, one, web.data))
    by_terminal(cloud, "image-create-via-import", "--name", "web", "--disk-format", "raw",
                "--container-format", "bare", "--import-method", "web-download",
                "--uri", web.url())
    active(cloud, "web")
    report.check("glance: web-download fetches", same_data(cloud, "web", web.data))
    tasks = cloud.glance("task-list").stdout
    report.check("glance: the tasks are listed", tasks.count("api_image_import") == 3, tasks)
    report.check("nothing stays staged", staged_files(cloud) == 0)


def by_openstack(cloud, report, web, path):
    cloud.client("image", "create", "--import", "--disk-format", "raw", "--container-format",
                 "bare", "--file", path, "imported")
    active(cloud, "imported")
    report.check("openstack: image create --import", same_data(cloud, "imported", web.data))


def tricks(cloud, report, web):
    for name, uri in (("loopback by another name", "http://127.0.0.2:%d/disk" % web.port),
                      ("metadata server", "http://169.254.169.254/latest/"),
                      ("decimal", "http://2130706433:%d/disk" % web.port),
                      ("a file", "file:///etc/passwd")):
        cloud.cli("image", "create", "x", "--disk-format", "raw", "--container-format", "bare")
        done = cloud.cli("image", "import", "x", "--method", "web-download", "--uri", uri,
                         check=False)
        report.check("web-download: %s is refused" % name, done.returncode != 0 and
                     status(cloud, "x") == "queued", done.stderr)
        cloud.cli("image", "delete", "x")
    for name, where in (("loopback", "http://127.0.0.2:%d/disk" % web.port),
                        ("IPv6 loopback", "http://[::1]:%d/disk" % web.port),
                        ("a file", "file:///etc/passwd")):
        web.hits.clear()
        cloud.cli("image", "create", "x", "--disk-format", "raw", "--container-format", "bare")
        cloud.cli("image", "import", "x", "--method", "web-download", "--uri",
                  web.url("/to/" + where))
        until("the import ends", 60, lambda: status(cloud, "x") == "queued")
        report.check("web-download: a redirect to %s is not followed" % name,
                     len(web.hits) == 1 and staged_files(cloud) == 0, web.hits)
        cloud.cli("image", "delete", "x")


def killed(cloud, report, web):
    """kill -9 at moments all over an import; what is there afterwards is whole or nothing."""
    web.slow = 0.05
    good = True
    for round_number in range(6):
        name = "killed-%d" % round_number
        cloud.cli("image", "create", name, "--disk-format", "raw", "--container-format", "bare")
        cloud.cli("image", "import", name, "--method", "web-download", "--uri",
                  web.url())
        time.sleep(0.12 * round_number)
        cloud.kill()
        cloud.start()
        active(cloud, name, 90)
        good = good and same_data(cloud, name, web.data) and staged_files(cloud) == 0
    report.check("a killed process ends its imports after the next start", good)
    web.slow = 0.5
    cloud.cli("image", "create", "gone", "--disk-format", "raw", "--container-format", "bare")
    cloud.cli("image", "import", "gone", "--method", "web-download", "--uri",
              web.url())
    time.sleep(1)
    cloud.cli("image", "delete", "gone")
    until("the deleted image's data is gone", 30, lambda: staged_files(cloud) == 0)
    report.check("an image deleted in mid-download leaves nothing", True)
    web.slow = 0.0


def signed(cloud, report, path, data):
    key, cert, sig = (os.path.join(cloud.dir, n) for n in ("key.pem", "cert.pem", "sig"))
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "2", "-subj", "/CN=us"])
    run(["openssl", "dgst", "-sha256", "-sign", key, "-sigopt", "rsa_padding_mode:pss", "-sigopt",
         "rsa_pss_saltlen:-2", "-out", sig, path])
    added = cloud.cli("certificate", "add", "us", "--file", cert, check=False)
    if added.returncode != 0:
        raise Failed(added.stderr)
    with open(sig, "rb") as f:
        signature = base64.b64encode(f.read()).decode()
    one = [c for c in cloud.cli("certificate", "list") if c["Name"] == "us"][0]["ID"]
    properties = ["--property", "img_signature_hash_method=SHA-256",
                  "--property", "img_signature_key_type=RSA-PSS",
                  "--property", "img_signature_certificate_uuid=" + one]
    cloud.client("image", "create", "--disk-format", "raw", "--container-format", "bare",
                 "--file", path, "--property", "img_signature=" + signature, *properties, "signed")
    report.check("openstack: a signed image is uploaded", status(cloud, "signed") == "active")
    other = os.path.join(cloud.dir, "other")
    with open(other, "wb") as f:
        f.write(data[:-1] + bytes([data[-1] ^ 1]))
    done = cloud.client("image", "create", "--disk-format", "raw", "--container-format", "bare",
                        "--file", other, "--property", "img_signature=" + signature, *properties,
                        "forged", check=False)
    report.check("openstack: with one bit changed it is refused",
                 "signature" in done.stderr + done.stdout, done.stderr)


def from_region(cloud, report, data):
    """This cloud is its own other region: the catalog has no second one."""
    there = cloud.cli("image", "show", "direct")["id"]
    cloud.cli("image", "create", "lent", "--disk-format", "iso", "--container-format", "ovf")
    cloud.cli("image", "import", "lent", "--method", "glance-download", "--remote-region",
              "RegionOne", "--remote-image", there)
    active(cloud, "lent")
    shown = cloud.cli("image", "show", "lent")
    report.check("an image of another region comes with its data and its formats",
                 same_data(cloud, "lent", data) and shown["disk_format"] == "raw" and
                 shown["container_format"] == "bare", shown)
    cloud.cli("image", "create", "lost", "--disk-format", "raw", "--container-format", "bare")
    cloud.cli("image", "import", "lost", "--method", "glance-download", "--remote-region",
              "Nowhere", "--remote-image", there)
    until("the import gives up", 30, lambda: status(cloud, "lost") == "queued")
    tasks = cloud.cli("image", "task", "list", "--status", "failure")
    report.check("one of a region that there is not fails, and the image waits on",
                 len(tasks) == 1, tasks)


def converted(cloud, report, web):
    cloud.stop()
    cloud.env_of_server["CLOUDOS_IMAGE_CONVERSION_FORMAT"] = "qcow2"
    os.environ.update(cloud.env_of_server)
    cloud.start()
    cloud.cli("image", "create", "disk", "--disk-format", "raw", "--container-format", "bare")
    cloud.cli("image", "import", "disk", "--method", "web-download", "--uri",
              web.url())
    active(cloud, "disk")
    shown = cloud.cli("image", "show", "disk")
    report.check("an imported disk becomes the operator's format",
                 shown["disk_format"] == "qcow2" and shown["virtual_size"] == SIZE, shown)


def main():
    data = os.urandom(SIZE)
    report = Report()
    web = Web(data)
    cloud = Clients(sys.argv[1])
    cloud.env_of_server = {"CLOUDOS_HYPERVISOR_BACKEND": "simulated",
                           "CLOUDOS_NETWORK_BACKEND": "simulated",
                           "CLOUDOS_IMAGE_IMPORT_METHODS":
                               "glance-direct, web-download, copy-image, glance-download",
                           "CLOUDOS_IMAGE_WEB_PORTS": "any",
                           "CLOUDOS_IMAGE_WEB_ALLOWED_NETWORKS": "127.0.0.1"}
    os.environ.update(cloud.env_of_server)
    try:
        cloud.start()
        cloud.token_env()
        path = os.path.join(cloud.dir, "disk.raw")
        with open(path, "wb") as f:
            f.write(data)
        for scenario in (lambda: by_glance(cloud, report, web, path),
                         lambda: by_openstack(cloud, report, web, path),
                         lambda: from_region(cloud, report, data),
                         lambda: tricks(cloud, report, web),
                         lambda: signed(cloud, report, path, data),
                         lambda: killed(cloud, report, web),
                         lambda: converted(cloud, report, web)):
            try:
                scenario()
            except Failed as trouble:
                report.check("a scenario of imports", False, str(trouble))
    finally:
        cloud.end()
        web.end()
    report.end()


if __name__ == "__main__":
    main()
