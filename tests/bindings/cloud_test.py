"""The Python package as its users see it: no test here knows of ctypes."""

import gc
import os
import pathlib
import select
import tempfile
import threading
import time
import unittest
import warnings

import cloudos
from cloudos import CloudosError, ErrorCode


class CloudTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cloudos-python-")
        self.addCleanup(self.folder.cleanup)
        self.disk = pathlib.Path(self.folder.name) / "disk"
        self.disk.write_bytes(b"x" * 512)

    def open(self, **options):
        cloud = cloudos.open(hosts=["host-1"], **options)
        self.addCleanup(cloud.close)
        return cloud

    def server(self, cloud, name="first"):
        image = cloud.images.create_from_file(self.disk, name="small")
        return cloud.servers.create(name=name, flavorRef=cloud.flavors.list()[0], imageRef=image)

    def fails(self, code, text=""):
        test = self

        class Fails:
            def __enter__(self):
                return self

            def __exit__(self, kind, error, trace):
                test.assertIsInstance(error, CloudosError)
                test.assertEqual(error.code, code, error)
                test.assertIn(text, error.message)
                return True

        return Fails()


class Servers(CloudTest):
    def test_a_server_is_made_waited_for_listed_and_deleted(self):
        with self.open() as cloud:
            network = cloud.networks.create(name="net")
            cloud.subnets.create(network_id=network, cidr="10.30.0.0/24", ip_version=4)
            server = self.server(cloud)
            self.assertEqual(server.wait(timeout=30).status, "ACTIVE")
            self.assertTrue(server.addresses["net"][0]["addr"].startswith("10.30.0."))
            self.assertEqual([s.name for s in cloud.servers.list()], ["first"])
            self.assertEqual(server["OS-EXT-SRV-ATTR:host"], "host-1")
            server.stop()
            self.assertEqual(server.wait().status, "SHUTOFF")
            server.delete()
            server.wait_deleted(timeout=30)
            self.assertEqual(cloud.servers.list(), [])

    def test_a_list_is_read_page_by_page(self):
        with self.open() as cloud:
            for i in range(7):
                cloud.networks.create(name=f"net-{i}")
            names = {n.name for n in cloud.networks.iterate(limit=3)}
            self.assertEqual(names, {f"net-{i}" for i in range(7)})
            self.assertEqual(len(list(cloud.networks.iterate(limit=7))), 7)
            # Lists without pages are iterated all the same.
            self.assertGreater(len(list(cloud.roles.iterate())), 1)

    def test_the_task_of_a_server_can_be_waited_for(self):
        with self.open() as cloud:
            server = self.server(cloud)
            task = next(t for t in cloud.tasks.list() if server.id in t.resource)
            self.assertEqual(cloud.tasks.wait(task.id, timeout=30).state.lower(), "done")


class Verbs(CloudTest):
    def test_every_verb_is_a_method_with_help(self):
        with self.open() as cloud:
            self.assertGreater(len(cloud.verbs()), 100)
            for verb in cloud.verbs():
                noun, _, name = verb["name"].partition(".")
                self.assertIn(noun, dir(cloud))
                self.assertIn(name, dir(getattr(cloud, noun)))
                method = getattr(getattr(cloud, noun), name)
                self.assertTrue(callable(method) and method.__doc__, verb["name"])

    def test_a_verb_of_several_requests_is_a_method_as_any_other(self):
        for workers in (None, 0):
            with self.open(workers=workers) as cloud, self.subTest(workers=workers):
                project = cloud.projects.create(name="p")
                cloud.networks.create(name="net", project_id=project.id)
                went = [(row["type"], row["status"]) for row in cloud.projects.purge(id=project)]
                self.assertEqual(went[0], ("network", "deleted"))
                self.assertEqual(went[-1], ("project", "deleted"))
                self.assertEqual(cloud.networks.list(name="net"), [])
                self.assertIn("Several requests", cloud.projects.purge.__doc__)

    def test_a_verb_by_name_gives_the_same_as_its_method(self):
        with self.open() as cloud:
            cloud.networks.create(name="net")
            self.assertEqual(cloud.call("networks.list"), cloud.networks.list())

    def test_what_there_is_not_is_an_attribute_error_that_helps(self):
        with self.open() as cloud:
            for wrong in (lambda: cloud.serves, lambda: cloud.servers.crate,
                          lambda: cloud.networks.create(name="net").colour):
                with self.assertRaises(AttributeError):
                    wrong()
            with self.assertRaisesRegex(AttributeError, "create"):
                cloud.servers.crate

    def test_places_and_names_of_path_members(self):
        with self.open() as cloud:
            network = cloud.networks.create(name="net")
            self.assertEqual(cloud.networks.show(network.id), cloud.networks.show(id=network))
            self.assertEqual(network.update(name="other").name, "other")
            self.assertEqual(network.refresh().name, "other")
            self.assertEqual(dict(network), cloud.call("networks.show", {"id": network}))
            with self.assertRaises(TypeError):
                cloud.networks.show(network.id, "more")
            with self.assertRaises(TypeError):
                cloud.networks.show(network.id, id="twice")


class Errors(CloudTest):
    def test_errors_have_a_code_and_a_message(self):
        with self.open() as cloud:
            with self.fails(ErrorCode.NOT_FOUND, "none"):
                cloud.servers.show("none")
            with self.fails(ErrorCode.INVALID_ARGUMENT, "servers.create"):
                cloud.call("servers.crate")
            with self.fails(ErrorCode.INVALID_ARGUMENT):
                cloud.networks.create(name="n" * 1000)
            with self.fails(ErrorCode.INVALID_ARGUMENT, "NUL"):
                cloud.call("servers.list\0")
            with self.fails(ErrorCode.NOT_FOUND):
                cloud.images.create_from_file("/nowhere/at/all", name="x")
            self.assertEqual(cloud.images.list(), [])
            self.assertFalse(CloudosError(ErrorCode.NOT_FOUND, "").retryable)
            self.assertTrue(CloudosError(ErrorCode.TIMEOUT, "").retryable)

    def test_options_that_make_no_sense_are_refused(self):
        for options in ({"workers": -1}, {"role": "king"}, {"hypervisor": "vapour"},
                        {"without": ["sense"]}, {"log_level": "loud"},
                        {"data_dir": "/tmp/a\0b"}):
            with self.subTest(options), self.fails(ErrorCode.INVALID_ARGUMENT):
                cloudos.open(**options).close()

    def test_a_folder_has_one_runner(self):
        folder = os.path.join(self.folder.name, "cloud")
        with self.open(data_dir=folder) as cloud:
            cloud.networks.create(name="kept")
            with self.fails(ErrorCode.CONFLICT):
                cloudos.open(folder)
        with self.open(data_dir=folder) as cloud:
            self.assertEqual([n.name for n in cloud.networks.list()], ["kept"])

    def test_a_service_that_was_left_out_is_not_there(self):
        with self.open(without=["compute"]) as cloud:
            cloud.networks.create(name="net")
            with self.fails(ErrorCode.NOT_FOUND):
                cloud.servers.list()
            with self.fails(ErrorCode.UNSUPPORTED):
                cloud._wait_server("x", 1)


class Handles(CloudTest):
    def test_a_closed_cloud_answers_with_an_error(self):
        cloud = self.open()
        server = self.server(cloud)
        cloud.close()
        cloud.close()
        self.assertTrue(cloud.closed)
        for call in (cloud.servers.list, server.refresh, server.wait, cloud.run_pending,
                     cloud.wake_fd, cloud.next_deadline, lambda: cloud.as_(project="p")):
            with self.fails(ErrorCode.CONFLICT, "closed"):
                call()

    def test_a_cloud_that_is_forgotten_is_closed_and_warned_of(self):
        folder = os.path.join(self.folder.name, "cloud")
        cloud = cloudos.open(folder)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del cloud
            gc.collect()
        self.assertIn(ResourceWarning, [w.category for w in caught])
        cloudos.open(folder).close()

    def test_clouds_leave_nothing_behind(self):
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        def threads():
            return len(os.listdir("/proc/self/task"))

        self.open().close()
        before = descriptors(), threads()
        for _ in range(5):
            with self.open() as cloud:
                self.server(cloud).wait()
        self.assertEqual((descriptors(), threads()), before)

    def test_a_cloud_ends_when_a_block_is_left_by_an_exception(self):
        with self.assertRaises(ZeroDivisionError):
            with self.open() as cloud:
                1 / 0
        self.assertTrue(cloud.closed)

    def test_others_see_their_own(self):
        with self.open() as cloud, cloud.as_(project="1" * 32, user="2" * 32, member=True) as other:
            cloud.networks.create(name="mine")
            self.assertEqual(other.networks.list(), [])
            with self.fails(ErrorCode.FORBIDDEN):
                other.hypervisors.list()
            with self.fails(ErrorCode.UNAUTHENTICATED):
                cloud.as_(token="nonsense")

    def test_a_bearer_takes_no_role_to_another_project(self):
        with self.open() as cloud:
            user = cloud.users.create(name="u", password="a long word")
            projects = [cloud.projects.create(name=name) for name in ("p", "q", "r")]
            roles = {role.name: role for role in cloud.roles.list()}
            for project, role in zip(projects, ("admin", "reader")):
                cloud.call("roles.grant_project_user",
                           dict(project_id=project, user_id=user, role_id=roles[role]))
            token = cloud.call("tokens.create", {
                "identity": {"methods": ["password"],
                             "password": {"user": {"id": user.id, "password": "a long word"}}},
                "scope": {"project": {"id": projects[0].id}}})["id"]
            with cloud.as_(token=token) as bearer:
                bearer.networks.create(name="of p")
                with bearer.as_(project=projects[1].id) as reader:
                    self.assertEqual(reader.networks.list(), [])
                    with self.fails(ErrorCode.FORBIDDEN):
                        reader.networks.create(name="of q")
                with self.fails(ErrorCode.UNAUTHENTICATED):
                    bearer.as_(project=projects[2].id)
                with self.fails(ErrorCode.INVALID_ARGUMENT, "token"):
                    bearer.as_(user="2" * 32)
                with self.fails(ErrorCode.INVALID_ARGUMENT, "token"):
                    bearer.as_(member=True)
                cloud.users.delete(user)
                with self.fails(ErrorCode.UNAUTHENTICATED):
                    bearer.as_(project=projects[0].id)


class Calls(CloudTest):
    def test_a_deadline_holds_for_the_calls_of_one_handle(self):
        with self.open(workers=0) as cloud:
            server = self.server(cloud)
            with cloud.as_(within=0.05) as hasty:
                time.sleep(0.06)
                with self.fails(ErrorCode.TIMEOUT):
                    hasty.networks.create(name="late")
                with self.fails(ErrorCode.TIMEOUT):
                    hasty.networks.list()
            self.assertNotIn("late", [n.name for n in cloud.networks.list()])
            self.assertEqual(server.wait(timeout=30).status, "ACTIVE")
            with self.fails(ErrorCode.INVALID_ARGUMENT):
                cloudos.open(network="none")

    def test_cancelling_ends_the_calls_of_one_handle(self):
        with self.open() as cloud, cloud.as_() as other:
            other.networks.create(name="before")
            other.cancel()
            with self.fails(ErrorCode.CANCELLED):
                other.networks.create(name="after")
            with self.fails(ErrorCode.CANCELLED):
                other.networks.list()
            cloud.networks.create(name="goes on")

    def test_user_mode_networks_are_for_networks(self):
        with self.open(network="user", hypervisor="simulated") as cloud:
            cloud.networks.create(name="n")
        with self.fails(ErrorCode.INVALID_ARGUMENT):
            cloudos.open(hypervisor="user")


class Changes(CloudTest):
    def test_changes_are_told_until_the_subscription_ends(self):
        with self.open() as cloud:
            told, more = [], threading.Condition()

            def tell(batch):
                with more:
                    told.append(batch)
                    more.notify_all()

            def heard(kind, id):
                return any((kind, id) in batch.changes for batch in told)

            with cloud.subscribe(tell, kinds=["network"]):
                network = cloud.networks.create(name="n")
                with more:
                    self.assertTrue(more.wait_for(lambda: heard("network", network.id), 20))
            count = len(told)
            second = cloud.networks.create(name="m")
            time.sleep(0.1)
            self.assertEqual(len(told), count)
            # From where it was left.
            with cloud.subscribe(tell, since=told[-1].revision):
                with more:
                    self.assertTrue(more.wait_for(lambda: heard("network", second.id), 20))
            with self.fails(ErrorCode.INVALID_ARGUMENT):
                cloud.subscribe(tell, kinds=["colour"])
            with cloud.as_(member=True) as member, self.fails(ErrorCode.FORBIDDEN):
                member.subscribe(tell)

    def test_what_networks_have_and_who_may_log_in_is_told_of_too(self):
        with self.open() as cloud:
            told, more = set(), threading.Condition()

            def tell(batch):
                with more:
                    told.update(batch.changes)
                    more.notify_all()

            with cloud.subscribe(tell):
                network = cloud.networks.create(name="n")
                cloud.subnets.create(name="s", network_id=network, ip_version=4,
                                     cidr="10.1.0.0/24")
                port = cloud.ports.create(name="p", network_id=network)
                user = cloud.users.create(name="u", password="a long sentence")
                made = {
                    "router": cloud.routers.create(name="r"),
                    "trunk": cloud.trunks.create(name="t", port_id=port),
                    "address_scope": cloud.address_scopes.create(name="a", ip_version=4),
                    "subnet_pool": cloud.subnet_pools.create(name="sp",
                                                             prefixes=["10.9.0.0/16"]),
                    "address_group": cloud.address_groups.create(name="ag"),
                    "qos_policy": cloud.qos_policies.create(name="q"),
                    "metering_label": cloud.metering_labels.create(name="m"),
                    "credential": cloud.credentials.create(user_id=user, type="totp",
                                                           blob="GEZDGNBVGY3TQOJQ"),
                }
                wanted = {(kind, thing.id) for kind, thing in made.items()}
                with more:
                    more.wait_for(lambda: wanted <= told, 20)
                self.assertEqual(wanted - told, set())
            # What is told of is what is asked for by.
            for kind, id in wanted:
                noun = {"qos_policy": "qos_policies"}.get(kind, kind + "s")
                self.assertEqual(getattr(cloud, noun).show(id).id, id)


class Threads(CloudTest):
    def test_threads_share_a_cloud(self):
        with self.open() as cloud:
            image = cloud.images.create_from_file(self.disk, name="small")
            done, failed = [], []

            def work(number):
                try:
                    for i in range(2):
                        server = cloud.servers.create(name=f"s-{number}-{i}", flavorRef="1",
                                                      imageRef=image)
                        done.append(server.wait(timeout=60).status)
                except Exception as error:  # A thread's exception would be lost.
                    failed.append(error)

            workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            self.assertEqual(failed, [])
            self.assertEqual(done, ["ACTIVE"] * 8)

    def test_closing_waits_for_calls_that_are_under_way(self):
        cloud = self.open()
        stop, failed = threading.Event(), []

        def ask():
            while not stop.is_set():
                try:
                    cloud.flavors.list()
                except CloudosError as error:
                    if error.code != ErrorCode.CONFLICT:
                        failed.append(error)
                    return

        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        time.sleep(0.05)
        cloud.close()
        stop.set()
        for asker in askers:
            asker.join(10)
            self.assertFalse(asker.is_alive())
        self.assertEqual(failed, [])

    def test_a_log_function_hears_of_everything(self):
        lines = []
        with self.open(log=lambda *line: lines.append(line), log_level="debug") as cloud:
            self.server(cloud).wait()
        self.assertTrue(lines)
        for level, room, message, request_id in lines:
            self.assertIn(level, ("debug", "info", "warning", "error"))
            self.assertTrue(room and message)
            self.assertIsInstance(request_id, str)

    def test_a_loop_of_ones_own_drives_a_cloud_without_workers(self):
        with self.open(workers=0) as cloud:
            server = self.server(cloud)
            end = time.monotonic() + 30
            while server.refresh().status != "ACTIVE" and time.monotonic() < end:
                due = cloud.next_deadline()
                select.select([cloud.wake_fd()], [], [], 0.1 if due is None else min(due, 0.1))
                cloud.run_pending(budget=0.05)
            self.assertEqual(server.status, "ACTIVE")
        with self.open() as cloud:
            with self.fails(ErrorCode.CONFLICT):
                cloud.run_pending()


if __name__ == "__main__":
    unittest.main()
