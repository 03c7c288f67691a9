#include "image/certificates.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos {

struct Certificates::Impl {
  const Engine engine;
};

namespace {

Failure certificate_not_found(const CertificateId& id) {
  return fail(ErrorCode::NotFound,
              fmt::format("certificate {} is not known", id.value.substr(0, 64)));
}

bool may_use(const ProjectId& project, const Certificate& certificate) {
  return certificate.project.empty() || certificate.project == project;
}

bool may_see_certificate(const Context& ctx, const Certificate& certificate) {
  return ctx.is_admin || may_use(ctx.project, certificate);
}

}  // namespace

void fields(codec::FieldVisitor& v, Certificate& c) {
  v.field({1, "id"}, c.id);
  v.field({2, "generation"}, c.generation);
  v.field({3, "name"}, c.name);
  v.field({4, "project"}, c.project);
  v.field({5, "subject"}, c.subject);
  v.field({6, "issuer"}, c.issuer);
  v.field({7, "sha256"}, c.sha256);
  v.field({8, "not_before"}, c.not_before);
  v.field({9, "not_after"}, c.not_after);
  v.field({10, "is_authority"}, c.is_authority);
  v.field({11, "pem"}, c.pem);
  v.field({12, "created_at"}, c.created_at);
  v.unknown(c.unknown);
}

void keys(records::Keys& k, const Certificate& c) {
  // For the limit of a project, and for the chain of an image's owner.
  k.index("project", c.project.empty() ? "-" : c.project.value);
}

std::unique_ptr<Certificates> make_certificates(const Engine& engine) {
  return std::make_unique<Certificates>(
      std::make_unique<Certificates::Impl>(Certificates::Impl{engine}));
}

Certificates::Certificates(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Certificates::~Certificates() = default;

Result<Certificate> Certificates::add(const Context& ctx, std::string_view name,
                                      std::string_view pem, bool everybody) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(check_name("the certificate's name", name, 1, 255));
  if (everybody && !ctx.is_admin) {
    return fail(ErrorCode::Forbidden, "only an admin adds certificates for everybody");
  }
  if (!everybody && ctx.project.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "a certificate belongs to a project: use a token for one, or add it for everybody");
  }
  CLOUDOS_TRY(Certificate made, image::read_certificate(pem));
  made.id = impl_->engine.ids.make<CertificateId>();
  made.name = name;
  if (!everybody) made.project = ctx.project;
  made.created_at = impl_->engine.clock.wall();
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  const std::string owner = everybody ? "-" : ctx.project.value;
  CLOUDOS_TRY(const auto own, records::all<Certificate>(*snapshot, "project", owner));
  if (own.size() >= limits::kCertificatesPerProject) {
    return fail(ErrorCode::TooLarge, fmt::format("there are {} certificates already, the most a "
                                                 "project may have", own.size()));
  }
  CLOUDOS_CHECK(impl_->engine.store.transact(
      [&](store::Txn& txn) { return records::insert(txn, made); }));
  return made;
}

Result<Certificate> Certificates::get(const Context& ctx, const CertificateId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  const auto found = records::get<Certificate>(*snapshot, id);
  if (!found && found.error().code != ErrorCode::NotFound) return fail(found.error());
  if (!found || !may_see_certificate(ctx, *found)) return certificate_not_found(id);
  return *found;
}

Result<std::vector<Certificate>> Certificates::list(const Context& ctx, std::string_view marker,
                                                    std::size_t limit) const {
  records::PageSpec<Certificate> spec;
  spec.matches = [&](const Certificate& one) { return may_see_certificate(ctx, one); };
  if (!marker.empty() && !get(ctx, CertificateId{std::string(marker)})) {
    return records::bad_marker(Certificate::kKind, marker);
  }
  spec.marker = marker;
  spec.limit = limit;
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  return records::page<Certificate>(*snapshot, spec);
}

Result<void> Certificates::remove(const Context& ctx, const CertificateId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(const Certificate found, get(ctx, id));
  if (found.project.empty() && !ctx.is_admin) {
    return fail(ErrorCode::Forbidden, "only an admin removes everybody's certificates");
  }
  CLOUDOS_CHECK(impl_->engine.store.transact(
      [&](store::Txn& txn) { return records::erase<Certificate>(txn, id); }));
  return Result<void>();
}

namespace image {

Result<std::optional<SignatureCheck>> begin_signature(const store::Snapshot& at, const Image& image,
                                                      const std::vector<std::string>& trusted,
                                                      WallTime now) {
  CLOUDOS_TRY(const auto wish, signature_wish(image.properties));
  if (!wish) return std::optional<SignatureCheck>();
  const auto signer = records::get<Certificate>(at, wish->certificate);
  if (!signer && signer.error().code != ErrorCode::NotFound) return fail(signer.error());
  if (!signer || !may_use(image.owner, *signer)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the image's signature: certificate {} is not known",
                            wish->certificate.value.substr(0, 64)));
  }
  if (!trusted.empty()) {
    std::vector<Certificate> roots;
    for (const std::string& id : trusted) {
      const auto root = records::get<Certificate>(at, CertificateId{id});
      if (root) roots.push_back(*root);
    }
    CLOUDOS_TRY(auto known, records::all<Certificate>(at, "project", "-"));
    if (!image.owner.empty()) {
      CLOUDOS_TRY(auto own, records::all<Certificate>(at, "project", image.owner.value));
      known.insert(known.end(), own.begin(), own.end());
    }
    CLOUDOS_CHECK(check_chain(*signer, roots, known, now));
  }
  CLOUDOS_TRY(SignatureCheck check, SignatureCheck::make(*wish, *signer, now));
  return std::optional<SignatureCheck>(std::move(check));
}

}  // namespace image
}  // namespace cloudos
