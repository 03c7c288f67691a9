#include "image/signature.hpp"

#include "base/text.hpp"
#include "cloudos/certificates.hpp"
#include "image/certs.hpp"
#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;

namespace {

/// The manual clock of the world stands where certificates are valid.
struct SignedWorld : World {
  explicit SignedWorld(std::filesystem::path folder = {}, ImageSettings settings = {})
      : World(std::move(folder), nullptr, std::move(settings)) {
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(
        std::chrono::system_clock::now());
    clock.advance(now.time_since_epoch() - clock.wall().time_since_epoch());
  }
  CertificateId add(const Context& ctx, X509* certificate, bool everybody = false) {
    const auto added = images->certificates().add(ctx, "signer", pem_of(certificate), everybody);
    REQUIRE(added);
    return added->id;
  }
};

std::map<std::string, std::string> properties(const std::string& signature, std::string hash,
                                              std::string type, const CertificateId& id) {
  return {{"img_signature", to_base64(signature)},
          {"img_signature_hash_method", std::move(hash)},
          {"img_signature_key_type", std::move(type)},
          {"img_signature_certificate_uuid", id.value}};
}

const std::string kData(300'000, 'd');

}  // namespace

TEST_CASE("an upload is held against its signature, for every kind of key") {
  struct Row {
    std::string type, hash;
    Key key;
    const EVP_MD* digest;
  };
  std::vector<Row> rows;
  rows.push_back({"RSA-PSS", "SHA-256", rsa_key(), EVP_sha256()});
  rows.push_back({"RSA-PSS", "SHA-512", rsa_key(), EVP_sha512()});
  rows.push_back({"DSA", "SHA-224", dsa_key(), EVP_sha224()});
  rows.push_back({"ECC_SECP384R1", "SHA-384", curve_key("secp384r1"), EVP_sha384()});
  rows.push_back({"ECC_SECP521R1", "SHA-256", curve_key("secp521r1"), EVP_sha256()});
  rows.push_back({"ECC_SECT571K1", "SHA-256", curve_key("sect571k1"), EVP_sha256()});
  rows.push_back({"ECC_SECT409R1", "SHA-256", curve_key("sect409r1"), EVP_sha256()});
  SignedWorld w;
  const Context me = member_of("p");
  for (const Row& row : rows) {
    CAPTURE(row.type);
    const Cert cert = make_cert({.name = "signer"}, row.key.get());
    const CertificateId id = w.add(me, cert.get());
    const std::string signature =
        sign(row.key.get(), row.digest, kData, row.type == "RSA-PSS");
    ImageCreate spec;
    spec.properties = properties(signature, row.hash, row.type, id);
    const ImageId good = w.active(me, kData, spec);
    CHECK(w.images->get(me, good)->status == ImageStatus::Active);
    // One byte is enough.
    const ImageId bad = w.make(me, spec);
    std::string changed = kData;
    changed[200'000] = 'x';
    CHECK(code_of(w.upload(me, bad, changed)) == ErrorCode::InvalidArgument);
    CHECK(w.images->get(me, bad)->status == ImageStatus::Queued);
    CHECK_FALSE(w.images->get(me, bad)->size_bytes);
  }
}

TEST_CASE("a signature that cannot be checked is none that holds, and leaves nothing") {
  const Folder folder;
  SignedWorld w(folder.path);
  const Context me = member_of("p"), other = member_of("q");
  const Key key = rsa_key(), curve = curve_key("secp384r1");
  const Cert cert = make_cert({.name = "signer"}, key.get());
  const Cert old = make_cert({.name = "old", .from_seconds = -7'200, .to_seconds = -3'600},
                             key.get());
  const Cert early = make_cert({.name = "early", .from_seconds = 3'600, .to_seconds = 7'200},
                               key.get());
  const Cert curved = make_cert({.name = "curve"}, curve.get());
  const CertificateId mine = w.add(me, cert.get());
  const std::string signature = sign(key.get(), EVP_sha256(), kData, true);
  const auto good = properties(signature, "SHA-256", "RSA-PSS", mine);
  const auto without = [&](const char* name) {
    auto less = good;
    less.erase(name);
    return less;
  };
  const auto with = [&](const char* name, std::string value) {
    auto more = good;
    more[name] = std::move(value);
    return more;
  };
  struct Row {
    std::string what;
    std::map<std::string, std::string> properties;
  };
  const Row rows[] = {
      {"no signature", without("img_signature")},
      {"no hash", without("img_signature_hash_method")},
      {"no key type", without("img_signature_key_type")},
      {"no certificate", without("img_signature_certificate_uuid")},
      {"no base64", with("img_signature", "!!!")},
      {"another signature", with("img_signature", to_base64(std::string(256, 'x')))},
      {"weak hash", with("img_signature_hash_method", "MD5")},
      {"another hash", with("img_signature_hash_method", "SHA-512")},
      {"unknown key type", with("img_signature_key_type", "ROT13")},
      {"another key type", with("img_signature_key_type", "DSA")},
      {"unknown certificate", with("img_signature_certificate_uuid",
                                   "00000000-0000-0000-0000-000000000000")},
      {"expired", with("img_signature_certificate_uuid", w.add(me, old.get()).value)},
      {"not yet valid", with("img_signature_certificate_uuid", w.add(me, early.get()).value)},
      {"a curve's", with("img_signature_certificate_uuid", w.add(me, curved.get()).value)},
      {"another project's",
       with("img_signature_certificate_uuid", w.add(other, cert.get()).value)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    ImageCreate spec;
    spec.properties = row.properties;
    const ImageId id = w.make(me, spec);
    CHECK(code_of(w.upload(me, id, kData)) == ErrorCode::InvalidArgument);
    CHECK(w.images->get(me, id)->status == ImageStatus::Queued);
    CHECK(folder.files() == 0);
  }
}

TEST_CASE("where trusted certificates are named, signers must descend from one") {
  SignedWorld w;
  const Context me = member_of("p"), admin = admin_of("admin");
  const Key root_key = rsa_key(), middle_key = rsa_key();
  const Key leaf_key = rsa_key(), alien_key = rsa_key();
  const Cert root = make_cert({.name = "root", .authority = true}, root_key.get());
  const Cert middle = make_cert({.name = "middle", .authority = true}, middle_key.get(), root.get(),
                                root_key.get());
  const Cert leaf = make_cert({.name = "leaf"}, leaf_key.get(), middle.get(), middle_key.get());
  const Cert alien = make_cert({.name = "alien"}, alien_key.get());
  // Named like the root, and signed by its own key: names vouch for nobody.
  const Cert fake_root = make_cert({.name = "root", .authority = true}, alien_key.get());
  const Cert forged = make_cert({.name = "forged"}, leaf_key.get(), fake_root.get(),
                                alien_key.get());
  // A leaf is no authority, whatever it signs.
  const Cert below_leaf = make_cert({.name = "below"}, alien_key.get(), leaf.get(), leaf_key.get());
  const auto read = [&](X509* certificate) {
    const auto found = image::read_certificate(pem_of(certificate));
    REQUIRE(found);
    return *found;
  };
  const WallTime now = w.clock.wall();
  const std::vector<Certificate> trusted{read(root.get())};
  const std::vector<Certificate> all{read(middle.get()), read(leaf.get()), read(alien.get()),
                                     read(fake_root.get())};
  struct Row {
    std::string what;
    X509* signer;
    bool holds;
  };
  const Row rows[] = {
      {"the root itself", root.get(), true},   {"by one between", leaf.get(), true},
      {"one between", middle.get(), true},     {"a stranger", alien.get(), false},
      {"a root of the same name", forged.get(), false},
      {"below one that is no authority", below_leaf.get(), false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(image::check_chain(read(row.signer), trusted, all, now).has_value() == row.holds);
  }
  CHECK_FALSE(image::check_chain(read(leaf.get()), {}, all, now));
  CHECK_FALSE(image::check_chain(read(leaf.get()), trusted, {}, now));  // The link is missing.
  CHECK_FALSE(image::check_chain(read(leaf.get()), trusted, all, now + std::chrono::hours(2)));
}

TEST_CASE("uploads follow the trusted certificates of the configuration") {
  const Context me = member_of("p"), admin = admin_of("admin");
  const Key root_key = rsa_key(), leaf_key = rsa_key(), alien_key = rsa_key();
  const Cert root = make_cert({.name = "root", .authority = true}, root_key.get());
  const Cert leaf = make_cert({.name = "leaf"}, leaf_key.get(), root.get(), root_key.get());
  const Cert alien = make_cert({.name = "alien"}, alien_key.get());
  // The id is known before it is used: ids of a seeded world are the same each time.
  CertificateId root_id;
  {
    SignedWorld first;
    root_id = first.add(admin, root.get(), true);
  }
  ImageSettings settings;
  settings.imports.trusted_certificates = {root_id.value};
  SignedWorld w({}, std::move(settings));
  REQUIRE(w.add(admin, root.get(), true) == root_id);
  const auto uploads = [&](EVP_PKEY* key, X509* cert) {
    ImageCreate spec;
    spec.properties = properties(sign(key, EVP_sha256(), kData, true), "SHA-256", "RSA-PSS",
                                 w.add(me, cert));
    return w.upload(me, w.make(me, spec), kData).has_value();
  };
  CHECK(uploads(leaf_key.get(), leaf.get()));
  CHECK_FALSE(uploads(alien_key.get(), alien.get()));
}

TEST_CASE("certificates belong to a project or to everybody") {
  SignedWorld w;
  const Context me = member_of("p"), other = member_of("q"), admin = admin_of("admin");
  const Key key = rsa_key();
  const Cert cert = make_cert({.name = "signer"}, key.get());
  Certificates& certificates = w.images->certificates();
  const CertificateId mine = w.add(me, cert.get());
  const CertificateId shared = w.add(admin, cert.get(), true);
  const auto found = certificates.get(me, mine);
  REQUIRE(found);
  CHECK(found->subject == "CN=signer");
  CHECK(found->sha256.size() == 64);
  CHECK(found->not_before < w.clock.wall());
  CHECK(found->not_after > w.clock.wall());
  CHECK(code_of(certificates.get(other, mine)) == ErrorCode::NotFound);
  CHECK(certificates.get(other, shared));
  CHECK(certificates.list(me)->size() == 2);
  CHECK(certificates.list(other)->size() == 1);
  CHECK(code_of(certificates.remove(other, mine)) == ErrorCode::NotFound);
  CHECK(code_of(certificates.remove(me, shared)) == ErrorCode::Forbidden);
  CHECK(code_of(certificates.add(me, "x", pem_of(cert.get()), true)) == ErrorCode::Forbidden);
  CHECK(certificates.remove(me, mine));
  CHECK(code_of(certificates.get(me, mine)) == ErrorCode::NotFound);
}

TEST_CASE("what is no single certificate is not kept, a private key least of all") {
  SignedWorld w;
  const Context me = member_of("p");
  const Key key = rsa_key();
  const Cert cert = make_cert({.name = "signer"}, key.get());
  const std::string pem = pem_of(cert.get());
  std::string broken = pem;
  broken[100] = '!';
  struct Row {
    std::string what, pem;
    ErrorCode code;
  };
  const Row rows[] = {
      {"nothing", "", ErrorCode::InvalidArgument},
      {"text", "hello", ErrorCode::InvalidArgument},
      {"broken", broken, ErrorCode::InvalidArgument},
      {"two", pem + pem, ErrorCode::InvalidArgument},
      {"a key", pem_of(key.get()), ErrorCode::InvalidArgument},
      {"with a key", pem + pem_of(key.get()), ErrorCode::InvalidArgument},
      {"huge", pem + std::string(100'000, ' '), ErrorCode::TooLarge},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto added = w.images->certificates().add(me, "x", row.pem);
    CHECK(code_of(added) == row.code);
    if (row.what == "with a key") CHECK(added.error().message.find("BEGIN") == std::string::npos);
  }
}

TEST_CASE("where that is asked for, a signature is checked again before a server starts") {
  const Folder folder;
  ImageSettings settings;
  settings.imports.verify_at_boot = true;
  SignedWorld w(folder.path, std::move(settings));
  const Context me = member_of("p");
  const Key key = rsa_key();
  const Cert cert = make_cert({.name = "signer"}, key.get());
  const CertificateId id = w.add(me, cert.get());
  ImageCreate spec;
  spec.properties = properties(sign(key.get(), EVP_sha256(), kData, true), "SHA-256", "RSA-PSS",
                               id);
  const ImageId image = w.active(me, kData, spec), plain = w.active(me, kData);
  CHECK(w.images->base_file(image));
  CHECK(w.images->base_file(image));
  CHECK(w.images->base_file(plain));
  const CertificateId second = w.add(me, cert.get());
  spec.properties["img_signature_certificate_uuid"] = second.value;
  const ImageId other = w.active(me, kData, spec);
  CHECK(w.images->base_file(other));
  REQUIRE(w.images->certificates().remove(me, second));
  CHECK(code_of(w.images->base_file(other)) == ErrorCode::InvalidArgument);
  CHECK(w.images->base_file(image));
  w.clock.advance(std::chrono::hours(2));  // The certificate's time is over.
  CHECK(code_of(w.images->base_file(image)) == ErrorCode::InvalidArgument);
  CHECK(w.images->base_file(plain));
}
