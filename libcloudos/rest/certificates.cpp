#include <nlohmann/json.hpp>

#include "cloudos/certificates.hpp"
#include "cloudos/images.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

// Certificates that signatures of images are checked with: no other cloud's API has them, so these
// paths are our own, beside the images.
namespace cloudos::rest {
namespace {

CertificateId certificate_id(const Call& call) {
  return CertificateId{call.path("certificate_id")};
}

void write_certificate(JsonWriter& w, const Certificate& certificate) {
  w.open().member("id", certificate.id).member("name", certificate.name);
  w.member_or_null("project_id", certificate.project.value);
  w.member("subject", certificate.subject).member("issuer", certificate.issuer);
  w.member("sha256", certificate.sha256);
  w.member("not_before", format_time(certificate.not_before));
  w.member("not_after", format_time(certificate.not_after));
  w.member("is_authority", certificate.is_authority);
  w.member("pem", certificate.pem);
  w.member("created_at", format_time(certificate.created_at)).close();
}

Response certificate_response(int status, const Certificate& certificate) {
  JsonWriter w;
  w.open().key("certificate");
  write_certificate(w, certificate);
  w.close();
  return json_response(status, std::move(w).take());
}

Result<Response> add_certificate(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("certificate"));
  const Members in(*body, "certificate");
  CLOUDOS_TRY(const std::string name, in.text("name"));
  CLOUDOS_TRY(const std::string pem, in.text("pem"));
  bool everybody = false;
  CLOUDOS_CHECK(in.flag("everybody", everybody));
  CLOUDOS_CHECK(in.no_others());
  CLOUDOS_TRY(const Certificate added,
              call.cloud.images().certificates().add(call.ctx, name, pem, everybody));
  Response response = certificate_response(201, added);
  response.headers.add("Location", call.service_url + "/certificates/" + added.id.value);
  return response;
}

Result<Response> list_certificates(Call& call) {
  CLOUDOS_TRY(const Call::Page page, call.page());
  CLOUDOS_TRY(const auto all, call.cloud.images().certificates().list(
                                  call.ctx, page.marker, std::min(page.limit, limits::kListPage)));
  JsonWriter w;
  w.open().key("certificates").open_list();
  const auto name = call.query("name");
  for (const Certificate& certificate : all)
    if (!name || certificate.name == *name) write_certificate(w, certificate);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_certificate(Call& call) {
  CLOUDOS_TRY(const Certificate found,
              call.cloud.images().certificates().get(call.ctx, certificate_id(call)));
  return certificate_response(200, found);
}

Result<Response> delete_certificate(Call& call) {
  CLOUDOS_CHECK(call.cloud.images().certificates().remove(call.ctx, certificate_id(call)));
  return empty_response(204);
}

constexpr Service kCertificateService = Service::Image;
constexpr Route kCertificateRoutes[] = {
    {"POST", "/image/v2/certificates", add_certificate, "add_certificate", kCertificateService,
     RouteClass::Commits},
    {"GET", "/image/v2/certificates", list_certificates, "get_certificates", kCertificateService},
    {"GET", "/image/v2/certificates/{certificate_id}", show_certificate, "get_certificate",
     kCertificateService},
    {"DELETE", "/image/v2/certificates/{certificate_id}", delete_certificate, "delete_certificate",
     kCertificateService, RouteClass::Commits},
};

}  // namespace

std::span<const Route> certificate_routes() { return kCertificateRoutes; }

}  // namespace cloudos::rest
