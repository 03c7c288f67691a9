// Imports of images, their tasks, and the certificates of signatures.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::imports {

constexpr Parameter kStage[] = {subject("IMAGE", "images"),
                                must(of(Kind::File, "file", "--file", "file to stage"))};
constexpr Parameter kImport[] = {
    subject("IMAGE", "images"),
    must(text("name", "--method",
              "glance-direct, web-download, copy-image or glance-download")),
    text("uri", "--uri", "where to download from"),
    text("glance_region", "--remote-region", "region of the image service to download from"),
    text("glance_image_id", "--remote-image", "the image's id there"),
    text("glance_service_interface", "--remote-service-interface", "its interface; public"),
    of(Kind::TextList, "stores", "--store", "store to put it in (repeat for more)"),
    set("all_stores", "--all-stores", "true", "put it in every store"),
    set("all_stores_must_succeed", "--allow-failure", "false",
        "take it when some of the stores have it"),
};
constexpr Parameter kTasksOfImage[] = {subject("IMAGE", "images", "image_id")};
constexpr Parameter kTaskOne[] = {word("id", "TASK", "its id")};
constexpr Parameter kTaskCreate[] = {
    text("type", "--type", "import"),
    of(Kind::Map, "input", "--input", "KEY=VALUE (repeat for more)"),
};
constexpr Parameter kTaskList[] = {
    text("status", "--status", "pending, processing, success or failure"),
    text("type", "--type", "import or api_image_import"),
    limit(),
    marker(),
};

constexpr Parameter kCertificateAdd[] = {
    kItsName,
    must(of(Kind::FileText, "pem", "--file", "PEM file with the one certificate")),
    set("everybody", "--everybody", "true", "for all projects"),
};
constexpr Parameter kCertificateMany[] = {subject("CERTIFICATE...", "certificates")};
constexpr Parameter kCertificateOne[] = {subject("CERTIFICATE", "certificates")};
constexpr Parameter kCertificateList[] = {
    kNamed,
    limit(),
    marker(),
};

constexpr Verb kImportVerbs[] = {
    {"images.stage", "PUT", "/image/v2/images/{id}/stage", "", "",
     "Puts a file where it waits to be imported.", "image stage", kStage, Style::Upload},
    {"images.import", "POST", "/image/v2/images/{id}/import", "method", "",
     "Brings data into an image: staged, from a URL, or to more stores.", "image import", kImport},
    {"image_tasks.create", "POST", "/image/v2/tasks", "", "", "Begins a task that makes an image.",
     "", kTaskCreate},
    {"image_tasks.list", "GET", "/image/v2/tasks", "", "tasks", "Lists imports.", "image task list",
     kTaskList},
    {"image_tasks.show", "GET", "/image/v2/tasks/{id}", "", "", "Shows an import.",
     "image task show", kTaskOne},
    {"image_tasks.of_image", "GET", "/image/v2/images/{image_id}/tasks", "", "tasks",
     "Lists the imports of an image.", "", kTasksOfImage},
    {"certificates.create", "POST", "/image/v2/certificates", "certificate", "certificate",
     "Adds a certificate that signatures of images are checked with.", "certificate add",
     kCertificateAdd},
    {"certificates.list", "GET", "/image/v2/certificates", "", "certificates",
     "Lists certificates.", "certificate list", kCertificateList},
    {"certificates.show", "GET", "/image/v2/certificates/{id}", "", "certificate",
     "Shows a certificate.", "certificate show", kCertificateOne},
    {"certificates.delete", "DELETE", "/image/v2/certificates/{id}", "", "",
     "Deletes a certificate.", "certificate delete", kCertificateMany},
};

constexpr Column kTaskColumns[] = {
    {"ID", "id"},
    {"Type", "type"},
    {"Status", "status"},
    {"Owner", "owner"},
};
constexpr Column kCertificateColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Subject", "subject"},
    {"Not After", "not_after"},
    {"Project", "project_id", Look::Plain, {}, {}, true},
    {"Issuer", "issuer", Look::Plain, {}, {}, true},
    {"SHA-256", "sha256", Look::Plain, {}, {}, true},
};
constexpr Noun kImportNouns[] = {
    {"image_tasks", "image task", "image", kTaskColumns, "id", "", "", "success", "failure"},
    {"certificates", "certificate", "image", kCertificateColumns, "id", "name", "name"},
};

}  // namespace table::imports

std::span<const Verb> import_verbs() {
  return table::imports::kImportVerbs;
}
std::span<const Noun> import_nouns() {
  return table::imports::kImportNouns;
}

}  // namespace cloudos::verbs
