#include <openssl/err.h>

#include "cloudosd/site.hpp"
#include "cloudosd/tls.hpp"

using namespace site_test;

namespace {

const std::string kTlsHello = "GET /v3 HTTP/1.1\r\nHost: a\r\n\r\n";

cloudosd::ServerOptions tls_only(const cloudosd::TlsFiles& files) {
  cloudosd::ServerOptions options;
  options.listen = {{.tls = true}};
  options.tls = files;
  return options;
}

}  // namespace

TEST_CASE("only versions and ciphers without known weaknesses are spoken") {
  TempDir dir;
  Site site(tls_only(make_certificate(dir, "cloud-a")));
  struct Row {
    std::string what;
    int least, most;
    std::string ciphers;
    bool good;
  };
  const Row rows[] = {
      {"TLS 1.3", TLS1_3_VERSION, TLS1_3_VERSION, "DEFAULT", true},
      {"TLS 1.2", TLS1_2_VERSION, TLS1_2_VERSION, "DEFAULT", true},
      {"TLS 1.1", TLS1_1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", false},
      {"TLS 1.0", TLS1_VERSION, TLS1_VERSION, "ALL:@SECLEVEL=0", false},
      {"1.2 with CBC", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false},
      {"1.2 without encryption", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",
       false},
      {"1.2 with ChaCha", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const TlsClient client;
    SSL_CTX_set_min_proto_version(client.get(), row.least);
    SSL_CTX_set_max_proto_version(client.get(), row.most);
    REQUIRE(SSL_CTX_set_cipher_list(client.get(), row.ciphers.c_str()) == 1);
    Wire wire(site.port, client.get());
    CHECK(wire.shaken() == row.good);
    if (row.good) CHECK(wire.get("/v3").status == 200);
    ERR_clear_error();
  }
}

TEST_CASE("clients of TLS 1.2 may be left out, and let in again, while the server runs") {
  TempDir dir;
  cloudosd::TlsFiles files = make_certificate(dir, "cloud-a");
  files.only_1_3 = true;
  Site site(tls_only(files));
  const auto speaks = [&](int version) {
    const TlsClient client;
    SSL_CTX_set_min_proto_version(client.get(), version);
    SSL_CTX_set_max_proto_version(client.get(), version);
    Wire wire(site.port, client.get());
    const bool shaken = wire.shaken();
    ERR_clear_error();
    return shaken && wire.get("/v3").status == 200;
  };
  CHECK_FALSE(speaks(TLS1_2_VERSION));
  CHECK(speaks(TLS1_3_VERSION));
  files.only_1_3 = false;
  REQUIRE(site.server.reload_tls(files));
  CHECK(speaks(TLS1_2_VERSION));
  CHECK(speaks(TLS1_3_VERSION));
}

TEST_CASE("HTTP/1.1 is agreed on where the client asks, and nothing else is") {
  TempDir dir;
  Site site(tls_only(make_certificate(dir, "cloud-a")));
  struct Row {
    std::string what, offer, chosen;
    bool good;
  };
  const Row rows[] = {
      {"both", "\x02h2\x08http/1.1", "http/1.1", true},
      {"nothing", "", "", true},
      {"HTTP/2 alone", "\x02h2", "", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const TlsClient client;
    SSL_CTX_set_alpn_protos(client.get(),
                            reinterpret_cast<const unsigned char*>(row.offer.data()),
                            static_cast<unsigned>(row.offer.size()));
    Wire wire(site.port, client.get());
    CHECK(wire.shaken() == row.good);
    ERR_clear_error();
    if (!row.good) continue;
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(wire.ssl(), &chosen, &size);
    CHECK(std::string(reinterpret_cast<const char*>(chosen), size) == row.chosen);
  }
}

TEST_CASE("every connection makes its own keys, once") {
  TempDir dir;
  Site site(tls_only(make_certificate(dir, "cloud-a")));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const TlsClient client;
    SSL_CTX_set_max_proto_version(client.get(), version);
    Wire first(site.port, client.get());
    REQUIRE(first.get("/v3").status == 200);
    SSL_SESSION* session = SSL_get1_session(first.ssl());
    CHECK(SSL_SESSION_has_ticket(session) == 0);
    if (version == TLS1_2_VERSION) {
      // A second handshake on the same connection is refused.
      const bool renegotiated =
          SSL_renegotiate(first.ssl()) == 1 && SSL_do_handshake(first.ssl()) == 1 &&
          first.get("/v3").status == 200;
      CHECK_FALSE(renegotiated);
    }
    SSL_SESSION_free(session);
    ERR_clear_error();
  }
}

TEST_CASE("requests over TLS are understood however records cut them") {
  TempDir dir;
  Site site(tls_only(make_certificate(dir, "cloud-a")));
  const TlsClient client;
  Wire wire(site.port, client.get());
  for (const char c : kTlsHello + kTlsHello) REQUIRE(wire.send({&c, 1}));
  CHECK(wire.read_reply().status == 200);
  CHECK(wire.read_reply().status == 200);
  std::string many;
  for (int i = 0; i < 300; ++i) many += kTlsHello;
  REQUIRE(wire.send(many));
  for (int i = 0; i < 300; ++i) REQUIRE(wire.read_reply().status == 200);
  REQUIRE(wire.send("nonsense\r\n\r\n"));
  CHECK(wire.read_reply().status == 400);
  wire.time_to_end();
  // The end was said, not just cut: the client can tell a whole reply from a part of one.
  CHECK(SSL_get_shutdown(wire.ssl()) == SSL_RECEIVED_SHUTDOWN);
}

TEST_CASE("a client without TLS at a TLS port is told so") {
  TempDir dir;
  Site site(tls_only(make_certificate(dir, "cloud-a")));
  Wire wire(site.port);
  const auto reply = wire.get("/v3");
  CHECK(reply.status == 400);
  CHECK(reply.body.find("https://") != std::string::npos);
}

TEST_CASE("a new certificate serves new connections and cuts no old one; a bad one changes nothing") {
  TempDir dir;
  const auto first = make_certificate(dir, "cloud-a");
  const auto second = make_certificate(dir, "cloud-b");
  Site site(tls_only(first));
  const TlsClient client;
  Wire old(site.port, client.get());
  CHECK(peer_name(old) == "cloud-a");
  REQUIRE(old.get("/v3").status == 200);

  const auto put = [&](const std::filesystem::path& from, const std::filesystem::path& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  };
  put(second.certificate, first.certificate);
  put(second.key, first.key);
  REQUIRE(site.server.reload_tls());
  Wire fresh(site.port, client.get());
  CHECK(peer_name(fresh) == "cloud-b");
  CHECK(old.get("/v3").status == 200);
  CHECK(fresh.get("/v3").status == 200);

  const auto other = make_certificate(dir, "cloud-c");
  struct Row {
    std::string what;
    std::string certificate, key;
    std::string says;
  };
  const std::string half = text_of(other.certificate).substr(0, 300);
  const Row rows[] = {
      {"an empty certificate", "", text_of(other.key), "no certificate"},
      {"half a certificate", half, text_of(other.key), "no certificate"},
      {"a half behind a whole", text_of(other.certificate) + half, text_of(other.key), "damaged"},
      {"another certificate's key", text_of(other.certificate), text_of(second.key),
       "not the key of"},
      {"a key that is none", text_of(other.certificate), "hello", "no private key"},
      {"an encrypted key", text_of(other.certificate),
       "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
       "encrypted"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    dir.file("cloud-a.crt", row.certificate);
    dir.file("cloud-a.key", row.key);
    const auto reloaded = site.server.reload_tls();
    REQUIRE_FALSE(reloaded);
    CHECK(reloaded.error().code == cloudos::ErrorCode::InvalidArgument);
    CHECK(reloaded.error().message.find(row.says) != std::string::npos);
    Wire again(site.port, client.get());
    CHECK(peer_name(again) == "cloud-b");
    CHECK(again.get("/v3").status == 200);
  }
  std::filesystem::remove(first.key);
  CHECK_FALSE(site.server.reload_tls());
  REQUIRE(site.server.reload_tls(other));
  Wire last(site.port, client.get());
  CHECK(peer_name(last) == "cloud-c");
  CHECK(old.get("/v3").status == 200);
}

TEST_CASE("intermediate certificates are sent along, from the same file or one of their own") {
  TempDir dir;
  const auto own = make_certificate(dir, "cloud-a");
  const auto issuer = make_certificate(dir, "issuer");
  const std::string both =
      dir.file("both.crt", text_of(own.certificate) + text_of(issuer.certificate));
  const cloudosd::TlsFiles rows[] = {{both, own.key, {}},
                                     {own.certificate, own.key, issuer.certificate}};
  for (const auto& files : rows) {
    CAPTURE(files.certificate.string());
    Site site(tls_only(files));
    const TlsClient client;
    Wire wire(site.port, client.get());
    REQUIRE(wire.shaken());
    CHECK(sk_X509_num(SSL_get_peer_cert_chain(wire.ssl())) == 2);
  }
}

TEST_CASE("plain and TLS ports of one server work side by side, also with curl") {
  TempDir dir;
  const auto files = make_certificate(dir, "localhost");
  cloudosd::ServerOptions options;
  options.listen = {{}, {.address = "::", .tls = true}};
  options.tls = files;
  Site site(options);
  const auto places = site.server.bound();
  struct Row {
    std::string what, url;
  };
  const Row rows[] = {
      {"plain", "http://127.0.0.1:" + std::to_string(places[0].port) + "/v3"},
      {"TLS by IPv4", "https://127.0.0.1:" + std::to_string(places[1].port) + "/v3"},
      {"TLS by IPv6", "https://[::1]:" + std::to_string(places[1].port) + "/v3"},
      {"TLS by name", "https://localhost:" + std::to_string(places[1].port) + "/v3"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Ran ran = run_program({"/usr/bin/curl", "-sS", "--max-time", "20", "--cacert",
                                 files.certificate.string(), "-w", "%{http_code}", row.url});
    CAPTURE(ran.err);
    CHECK(ran.code == 0);
    CHECK(ran.out.find("v3.14") != std::string::npos);
    CHECK(ran.out.substr(ran.out.size() - 3) == "200");
  }
  // Who asks for no certificate of ours gets no connection.
  const Ran untrusting = run_program({"/usr/bin/curl", "-sS", "--max-time", "20", rows[3].url});
  CHECK(untrusting.code == 60);
}

TEST_CASE("a server that cannot speak TLS as told does not start") {
  TempDir dir;
  cloudosd::ServerOptions options;
  options.listen = {{.port = 0, .tls = true}};
  CHECK_FALSE(cloudosd::Server(options).bind());
  options.tls = {dir.path() / "none.crt", dir.path() / "none.key", {}};
  const auto bound = cloudosd::Server(options).bind();
  REQUIRE_FALSE(bound);
  CHECK(bound.error().message.find("none.crt") != std::string::npos);
}
