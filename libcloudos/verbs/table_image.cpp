// Images, their data, tags and members.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::image {

constexpr Parameter kMinDisk = number("min_disk", "--min-disk", "least disk of a flavor, GiB");
constexpr Parameter kMinRam = number("min_ram", "--min-ram", "least memory of a flavor, MiB");
constexpr Parameter kDiskFormat =
    text("disk_format", "--disk-format", "raw, qcow2, vmdk, vhd, vhdx, vdi or iso");
constexpr Parameter kContainerFormat = text("container_format", "--container-format", "bare");
constexpr Parameter kCommunity =
    set("visibility", "--community", "\"community\"", "for whoever knows its id");
constexpr Parameter kShared =
    set("visibility", "--shared", "\"shared\"", "for this project and members");
constexpr Parameter kHidden = set("os_hidden", "--hidden", "true", "leave it out of lists");
constexpr Parameter kUnhidden = set("os_hidden", "--unhidden", "false", "show it in lists");

constexpr Parameter kImageOne[] = {subject("IMAGE", "images")};
constexpr Parameter kImageMany[] = {subject("IMAGE...", "images")};
constexpr Parameter kImageCreate[] = {
    kItsName,
    of(Kind::File, "", "--file", "file to upload"),
    set("", "--import", "true", "stage the file and import it"),
    of(Kind::File, "", "--sign-key-path", "PEM file of the private RSA key that signs the file"),
    text("", "--sign-cert-id", "id of the certificate that the signature is checked with"),
    kDiskFormat,
    kContainerFormat,
    text("id", "--id", "id of your choice"),
    kMinDisk,
    kMinRam,
    kPublic,
    kPrivate,
    kCommunity,
    kShared,
    kProtected,
    kUnprotected,
    kHidden,
    ref("owner", "--project", "projects", "project it belongs to"),
    kProperties,
    of(Kind::TextList, "tags", "--tag", "tag (repeat for more)"),
};
constexpr Parameter kImageSet[] = {
    subject("IMAGE", "images"),
    kNewName,
    kDiskFormat,
    kContainerFormat,
    kMinDisk,
    kMinRam,
    kPublic,
    kPrivate,
    kCommunity,
    kShared,
    kProtected,
    kUnprotected,
    kHidden,
    kUnhidden,
    ref("owner", "--project", "projects", "project it belongs to"),
    text("architecture", "--architecture", "processors it is for: x86_64, aarch64, ..."),
    text("os_distro", "--os-distro", "system in it: debian, ubuntu, ..."),
    text("os_version", "--os-version", "version of the system in it"),
    text("kernel_id", "--kernel-id", "image of its kernel"),
    text("ramdisk_id", "--ramdisk-id", "image of its ramdisk"),
    text("instance_uuid", "--instance-id", "server that it was made of"),
    kProperties,
    append(of(Kind::TextList, "tags", "--tag", "tag to add (repeat for more)")),
};
constexpr Parameter kImageDeactivate[] = {
    subject("IMAGE", "images"), must(set("", "--deactivate", "true", "refuse to give its data"))};
constexpr Parameter kImageReactivate[] = {
    subject("IMAGE", "images"), must(set("", "--activate", "true", "give its data again"))};
constexpr Parameter kImageList[] = {
    kOnlyPublic,
    kOnlyPrivate,
    set("visibility", "--community", "\"community\"", "only community ones"),
    set("visibility", "--shared", "\"shared\"", "only shared ones"),
    set("visibility", "--all", "\"all\"", "of every visibility"),
    kNamed,
    text("status", "--status", "in this status"),
    ref("owner", "--project", "projects", "of this project"),
    text("tag", "--tag", "with this tag"),
    text("member_status", "--member-status", "shared ones: accepted, pending, rejected or all"),
    text("disk_format", "--disk-format", "of this format"),
    set("os_hidden", "--hidden", "\"true\"", "only hidden ones"),
    of(Kind::Members, "", "--property", "KEY=VALUE"),
    limit(),
    marker(),
};
constexpr Parameter kUpload[] = {subject("IMAGE", "images"),
                                 must(of(Kind::File, "file", "--file", "file to upload"))};
constexpr Parameter kDownload[] = {subject("IMAGE", "images"),
                                   must(of(Kind::File, "file", "--file", "file to write"))};
constexpr Parameter kImageTag[] = {subject("IMAGE", "images"), must(text("tag", {}, "tag"))};
constexpr Parameter kUntag[] = {subject("IMAGE", "images"),
                                must(kGoneTag)};

constexpr Parameter kMember = subject("PROJECT", "projects");
constexpr Parameter kMembers[] = {subject("IMAGE", "images", "image_id")};
constexpr Parameter kMemberAdd[] = {subject("IMAGE", "images", "image_id"),
                                    subject("PROJECT", "projects", "member")};
constexpr Parameter kMemberOne[] = {subject("IMAGE", "images", "image_id"), kMember};
constexpr Parameter kMemberSet[] = {
    subject("IMAGE", "images", "image_id"),
    ref("id", "--membership", "projects", "member [the project of the login]", "project"),
    set("status", "--accept", "\"accepted\"", "show it in this project's lists"),
    set("status", "--reject", "\"rejected\"", "keep it out of them"),
    set("status", "--pending", "\"pending\"", "leave that open"),
};

constexpr Parameter kLocationAdd[] = {subject("IMAGE", "images"),
                                      must(text("url", "--url", "where a copy of the data is")),
                                      of(Kind::Map, "metadata", "--metadata", "KEY=VALUE")};
constexpr Parameter kStoreCopy[] = {word("store", "STORE", "its name"), subject("IMAGE", "images")};
constexpr Verb kImageVerbs[] = {
    {"images.create", "POST", "/image/v2/images", "", "", "Makes an image, with or without data.",
     "image create", kImageCreate},
    {"images.list", "GET", "/image/v2/images", "", "images", "Lists images.", "image list",
     kImageList},
    {"images.show", "GET", "/image/v2/images/{id}", "", "", "Shows an image.", "image show",
     kImageOne},
    {"images.update", "PATCH", "/image/v2/images/{id}", "", "", "Changes an image.", "image set",
     kImageSet, Style::Patch},
    {"images.delete", "DELETE", "/image/v2/images/{id}", "", "", "Deletes an image.",
     "image delete", kImageMany},
    {"images.upload", "PUT", "/image/v2/images/{id}/file", "", "",
     "Gives an image its data, from a file.", "image upload", kUpload, Style::Upload},
    {"images.download", "GET", "/image/v2/images/{id}/file", "", "",
     "Writes an image's data to a file.", "image save", kDownload, Style::Download},
    {"images.add_tag", "PUT", "/image/v2/images/{id}/tags/{tag}", "", "", "Gives an image a tag.",
     "", kImageTag},
    {"images.remove_tag", "DELETE", "/image/v2/images/{id}/tags/{tag}", "", "",
     "Takes a tag from an image.", "image unset", kUntag},
    {"images.deactivate", "POST", "/image/v2/images/{id}/actions/deactivate", "", "",
     "Lets nobody but admins read an image's data.", "image set", kImageDeactivate},
    {"images.reactivate", "POST", "/image/v2/images/{id}/actions/reactivate", "", "",
     "Lets an image's data be read again.", "image set", kImageReactivate},
    {"images.import_info", "GET", "/image/v2/info/import", "", "import-methods",
     "Tells by which methods images are imported.", ""},
    {"images.locations", "GET", "/image/v2/images/{id}/locations", "", "",
     "Lists where copies of an image's data are.", "image location list", kImageOne},
    {"images.add_location", "POST", "/image/v2/images/{id}/locations", "", "",
     "Adds a place where the data is.", "image location add", kLocationAdd},
    {"image_stores.list", "GET", "/image/v2/info/stores", "", "stores",
     "Lists the stores of images' data.", "image store list"},
    {"image_stores.detail", "GET", "/image/v2/info/stores/detail", "", "stores",
     "Lists the stores with what they hold.", ""},
    {"image_stores.remove", "DELETE", "/image/v2/stores/{store}/{id}", "", "",
     "Removes the copy of an image's data in one store.", "image store delete", kStoreCopy},
    {"image_usage.show", "GET", "/image/v2/info/usage", "", "usage",
     "Shows what a project's images use of their limits.", "image usage show"},
    {"cached_images.list", "GET", "/image/v2/cache", "", "cached_images",
     "Shows what the host keeps of images that are elsewhere.", "cached image list"},
    {"cached_images.queue", "PUT", "/image/v2/cache/{id}", "", "",
     "Brings an image into the host's cache.", "cached image queue", kImageMany},
    {"cached_images.delete", "DELETE", "/image/v2/cache/{id}", "", "",
     "Takes an image out of the host's cache.", "cached image delete", kImageMany},
    {"cached_images.clear", "DELETE", "/image/v2/cache", "", "", "Empties the host's cache.",
     "cached image clear"},
    {"cached_images.prune", "POST", "/image/v2/cache/prune", "", "",
     "Shrinks the host's cache to its size.", "cached image prune"},
    {"cached_images.clean", "POST", "/image/v2/cache/clean", "", "",
     "Removes what is of no use in the host's cache.", "cached image clean"},
    {"image_members.create", "POST", "/image/v2/images/{image_id}/members", "", "",
     "Shares an image with a project.", "image add project", kMemberAdd},
    {"image_members.list", "GET", "/image/v2/images/{image_id}/members", "", "members",
     "Lists the projects that an image is shared with.", "image member list", kMembers},
    {"image_members.show", "GET", "/image/v2/images/{image_id}/members/{id}", "", "",
     "Shows whether a project took an image.", "image member show", kMemberOne},
    {"image_members.update", "PUT", "/image/v2/images/{image_id}/members/{id}", "", "",
     "Takes an image that is shared, or refuses it.", "image set", kMemberSet},
    {"image_members.delete", "DELETE", "/image/v2/images/{image_id}/members/{id}", "", "",
     "Shares an image with a project no longer.", "image remove project", kMemberOne},
};

constexpr Column kImageColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Disk Format", "disk_format", Look::Plain, {}, {}, true},
    {"Container Format", "container_format", Look::Plain, {}, {}, true},
    {"Size", "size", Look::Size, {}, {}, true},
    {"Checksum", "checksum", Look::Plain, {}, {}, true},
    {"Status", "status"},
    {"Visibility", "visibility", Look::Plain, {}, {}, true},
    {"Protected", "protected", Look::Plain, {}, {}, true},
    {"Project", "owner", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
};
constexpr Column kMemberColumns[] = {
    {"Image ID", "image_id"}, {"Member ID", "member_id"}, {"Status", "status"}};

constexpr Column kStoreColumns[] = {
    {"ID", "id"}, {"Description", "description"}, {"Default", "default"}};
constexpr Column kCachedColumns[] = {{"Image ID", "image_id"}, {"Size", "size", Look::Size}};
constexpr Noun kImageNouns[] = {
    {"images", "image", "image", kImageColumns, "id", "name", "name", "active", "killed"},
    {"image_stores", "image store", "image", kStoreColumns, "id", "id"},
    {"image_usage", "image usage", "image", {}, "", ""},
    {"cached_images", "cached image", "image", kCachedColumns, "image_id", ""},
    {"image_members", "image member", "image", kMemberColumns, "member_id", ""},
};

}  // namespace table::image

std::span<const Verb> image_verbs() {
  return table::image::kImageVerbs;
}
std::span<const Noun> image_nouns() {
  return table::image::kImageNouns;
}

}  // namespace cloudos::verbs
