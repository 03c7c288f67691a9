"""A whole cloud inside your program.

    import cloudos

    with cloudos.open("/var/lib/my-cloud") as cloud:
        image = cloud.images.create_from_file("disk.qcow2", name="small", disk_format="qcow2")
        server = cloud.servers.create(
            name="first", flavorRef=cloud.flavors.list()[0], imageRef=image)
        server.wait()
        print(server.status, server.addresses)
        server.delete()

Every verb of the library is there as ``cloud.<noun>.<verb>(...)`` and as
``cloud.call("<noun>.<verb>", {...})``; ``cloud.verbs()`` lists them. Names and shapes of what goes
in and comes out are those of the OpenStack APIs. Errors are one class, CloudosError.

Pure Python over libcloudos-c.so.
"""

from ._native import CloudosError, ErrorCode, version
from .cloud import Batch, Cloud, Subscription, open
from .nouns import Noun, Resource

__all__ = ["Batch", "Cloud", "CloudosError", "ErrorCode", "Noun", "Resource", "Subscription",
           "open", "version"]
__version__ = version()
