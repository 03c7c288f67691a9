#!/usr/bin/python3
"""The unmodified clients of images: openstack, glance and openstacksdk. Needs no guest and no root.

usage: image_clients.py BIN-DIR
"""
import hashlib
import io
import json
import os
import sys

from harness import Cloud, Report, run

OBJECTS = {"name": "limits", "description": "Limits", "required": ["share"],
           "properties": {"share": {"title": "Share", "type": "integer"}}}


class Clients(Cloud):
    def glance(self, *words, check=True):
        # An input that is open but no terminal would be taken for an image's data.
        return run(["sh", "-c", 'exec "$@" <&-', "sh", "/usr/bin/glance"] + list(words),
                   check=check, timeout=120, env=self.env)

    def token_env(self):
        """glance knows no clouds.yaml."""
        import yaml
        with open(os.path.join(self.data, "clouds.yaml")) as f:
            auth = yaml.safe_load(f)["clouds"]["cloudos"]["auth"]
        names = {"auth_url": "OS_AUTH_URL", "username": "OS_USERNAME", "password": "OS_PASSWORD",
                 "project_name": "OS_PROJECT_NAME", "user_domain_name": "OS_USER_DOMAIN_NAME",
                 "user_domain_id": "OS_USER_DOMAIN_ID", "project_domain_id": "OS_PROJECT_DOMAIN_ID",
                 "project_domain_name": "OS_PROJECT_DOMAIN_NAME"}
        for name, variable in names.items():
            if name in auth:
                self.env[variable] = auth[name]
        self.env["OS_IDENTITY_API_VERSION"] = "3"


def with_openstack(cloud, report):
    path = os.path.join(cloud.dir, "disk.raw")
    data = os.urandom(1 << 20)
    with open(path, "wb") as f:
        f.write(data)
    image = cloud.client("image", "create", "--disk-format", "raw", "--container-format", "bare",
                         "--file", path, "--property", "os_distro=debian", "--tag", "t1",
                         "--min-ram", "64", "one")
    shown = cloud.client("image", "show", "one")
    report.check("openstack: an image is created with data",
                 shown["id"] == image["id"] and shown["status"] == "active", shown)
    cloud.client("image", "set", "--property", "a/b=c", "--community", "--tag", "t2", "one")
    shown = cloud.client("image", "show", "one")
    report.check("openstack: properties with odd names, tags and visibility are set",
                 shown["properties"].get("a/b") == "c" and shown["visibility"] == "community" and
                 sorted(shown["tags"]) == ["t1", "t2"], shown)
    cloud.client("image", "unset", "--property", "a/b", "--tag", "t1", "one")
    shown = cloud.client("image", "show", "one")
    report.check("openstack: they are unset again",
                 "a/b" not in shown["properties"] and shown["tags"] == ["t2"], shown)
    back = os.path.join(cloud.dir, "back.raw")
    cloud.client("image", "save", "--file", back, "one")
    with open(back, "rb") as f:
        report.check("openstack: the data comes back as it went", f.read() == data)
    rows = cloud.client("image", "list", "--community", "--tag", "t2", "--sort", "name:asc")
    report.check("openstack: lists are filtered", [r["Name"] for r in rows] == ["one"], rows)
    cloud.client("project", "create", "guests")
    cloud.client("image", "set", "--shared", "one")
    cloud.client("image", "add", "project", "one", "guests")
    rows = cloud.client("image", "member", "list", "one")
    report.check("openstack: an image is shared", [r["Status"] for r in rows] == ["pending"], rows)
    cloud.client("image", "remove", "project", "one", "guests")
    cloud.client("image", "set", "--deactivate", "one")
    shown = cloud.client("image", "show", "one")
    report.check("openstack: an image is deactivated", shown["status"] == "deactivated", shown)
    cloud.client("image", "set", "--activate", "--protected", "one")
    refused = cloud.client("image", "delete", "one", check=False)
    report.check("openstack: a protected image stays", refused.returncode != 0)
    cloud.client("image", "set", "--unprotected", "one")
    cloud.client("image", "delete", "one")


def with_glance(cloud, report):
    made = cloud.glance("md-namespace-create", "Our::Things", "--visibility", "public",
                        "--display-name", "Things").stdout
    report.check("glance: a namespace passes the client's own schema", "Our::Things" in made, made)
    cloud.glance("md-property-create", "Our::Things", "--name", "colour", "--title", "Colour",
                 "--schema", json.dumps({"type": "string", "enum": ["red", "blue"]}))
    cloud.glance("md-object-create", "Our::Things", "--name", "limits", "--schema",
                 json.dumps(OBJECTS))
    cloud.glance("md-tag-create", "Our::Things", "--name", "fast")
    cloud.glance("md-resource-type-associate", "Our::Things", "--name", "OS::Glance::Image",
                 "--prefix", "o_")
    shown = cloud.glance("md-namespace-show", "Our::Things", "--resource-type",
                         "OS::Glance::Image").stdout
    report.check("glance: its parts are shown by the names that images have",
                 "o_colour" in shown and "limits" in shown and "fast" in shown, shown)
    cloud.glance("md-property-update", "Our::Things", "colour", "--title", "Color")
    shown = cloud.glance("md-property-show", "Our::Things", "colour").stdout
    report.check("glance: a property is changed and keeps its values",
                 "Color" in shown and "blue" in shown, shown)
    cloud.glance("md-namespace-update", "Our::Things", "--description", "New")
    listed = cloud.glance("md-namespace-list").stdout
    report.check("glance: the usual catalogue is there",
                 "OS::Compute::VirtCPUTopology" in listed and "Our::Things" in listed, listed)
    cloud.glance("md-namespace-delete", "Our::Things")
    gone = cloud.glance("md-namespace-show", "Our::Things", check=False)
    report.check("glance: a namespace is deleted", gone.returncode != 0)
    made = cloud.glance("image-create", "--name", "two", "--disk-format", "raw",
                        "--container-format", "bare", "--property", "x=1").stdout
    report.check("glance: an image passes the client's own schema", "queued" in made, made)
    image = [line.split("|")[2].strip() for line in made.splitlines() if line.startswith("| id ")][0]
    staged = os.path.join(cloud.dir, "staged.raw")
    with open(staged, "wb") as f:
        f.write(b"staged" * 1000)
    cloud.glance("image-update", image, "--name", "three", "--remove-property", "x")
    cloud.glance("image-upload", image, "--file", staged)
    shown = cloud.glance("image-show", image).stdout
    report.check("glance: it is renamed and gets data",
                 "three" in shown and "active" in shown and "| x " not in shown, shown)
    stores = cloud.glance("stores-info").stdout
    methods = cloud.glance("import-info").stdout
    report.check("glance: stores and ways to import are told",
                 "file" in stores and "web-download" in methods, stores + methods)
    cloud.glance("image-delete", image)


def with_sdk(cloud, report):
    os.environ["OS_CLIENT_CONFIG_FILE"] = cloud.env["OS_CLIENT_CONFIG_FILE"]
    import openstack
    conn = openstack.connect(cloud="cloudos")
    data = os.urandom(100_000)
    image = conn.image.create_image("four", disk_format="raw", container_format="bare",
                                    data=io.BytesIO(data), validate_checksum=False, wait=True)
    image = conn.image.get_image(image)
    report.check("sdk: checksums are those of the data",
                 image.hash_value == hashlib.sha512(data).hexdigest() and
                 image.checksum == hashlib.md5(data).hexdigest(), image)
    back = conn.image.download_image(image)
    report.check("sdk: the data comes back", back.content == data)
    conn.image.update_image(image.id, name="five", colour="red")
    found = conn.image.find_image("five")
    report.check("sdk: an image is changed", found and found.properties.get("colour") == "red",
                 found)
    conn.image.add_tag(found, "t")
    report.check("sdk: images are found by tag",
                 [i.name for i in conn.image.images(tag="t")] == ["five"])
    schema = conn.image.get_metadef_namespace_schema() \
        if hasattr(conn.image, "get_metadef_namespace_schema") else None
    report.check("sdk: schemas are read", schema is None or "namespace" in schema.properties)
    conn.image.delete_image(found)
    conn.close()


def main():
    os.environ["CLOUDOS_HYPERVISOR_BACKEND"] = "simulated"
    os.environ["CLOUDOS_NETWORK_BACKEND"] = "simulated"
    report = Report()
    cloud = Clients(sys.argv[1])
    try:
        cloud.start()
        cloud.token_env()
        for scenario in (with_openstack, with_glance, with_sdk):
            try:
                scenario(cloud, report)
            except Exception as trouble:  # Of the sdk too.
                report.check(scenario.__name__, False, "%s" % trouble)
    finally:
        cloud.end()
    report.end()


if __name__ == "__main__":
    main()
