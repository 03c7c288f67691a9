#include "cloudos/application_credentials.hpp"
#include "cloudos/trusts.hpp"
#include "identity/credential_records.hpp"
#include "identity/ec2_signature.hpp"
#include "identity/password_support.hpp"

using namespace cloudos;
using namespace identity_test;
using std::chrono::seconds;

namespace {

SignedRequest plain_request() {
  SignedRequest request;
  request.access = "AK";
  request.host = "cloud.test:8773";
  request.verb = "GET";
  request.path = "/services/Cloud";
  request.params = {{"Action", "DescribeInstances"}};
  return request;
}

/// What a client makes of it at this time with this secret, by version 2.
SignedRequest signed_request(World& world, const Ec2Key& key, seconds ago = seconds(0),
                             const std::string& action = "DescribeInstances") {
  SignedRequest request = plain_request();
  request.access = key.access;
  request.params["Action"] = action;
  request.params["SignatureVersion"] = "2";
  request.params["Timestamp"] = format_time(world.clock.wall() - ago);
  const auto made = identity::ec2_signature(request, request.host, key.secret);
  REQUIRE(made);
  request.signature = made->text;
  return request;
}

struct Keys {
  TempFolder folder;
  World world{folder.path};
  User una = world.add_user("una"), otto = world.add_user("otto");
  Project work = world.add_project("work");
  Context as_una, service;
  Keys() {
    world.grant(una.id, work.id, "member");
    world.grant(una.id, work.id, "reader");
    as_una = world.login("una", "password of una", World::project_scope("work"))->context("r");
    service.user = UserId{"service"};
    service.roles = {"service"};
  }
  Credentials& credentials() { return world.identity->credentials(); }
  Ec2Key key() {
    const auto made = credentials().create_ec2(as_una, una.id, work.id);
    REQUIRE(made);
    return made->ec2;
  }
};

}  // namespace

TEST_CASE("signatures agree with those of keystoneclient, by every version") {
  struct Row {
    std::string what;
    SignedRequest request;
    std::string signature;
  };
  std::vector<Row> rows(6, Row{"", plain_request(), ""});
  const std::string time = "2020-01-02T03:04:05Z";
  rows[0].what = "version 0";
  rows[0].request.params["SignatureVersion"] = "0";
  rows[0].request.params["Timestamp"] = time;
  rows[0].signature = "EzwcJCeA8VhsV2HBtDZIAewPjeM=";
  rows[1] = rows[0];
  rows[1].what = "version 1";
  rows[1].request.params["SignatureVersion"] = "1";
  rows[1].request.params["zeta"] = "a b";
  rows[1].request.params["Alpha"] = "\xc3\xa9/~";
  rows[1].signature = "ZSFWmSuFkSsdUidphcXBShVnh8c=";
  rows[2] = rows[1];
  rows[2].what = "version 2";
  rows[2].request.params["SignatureVersion"] = "2";
  rows[2].signature = "fYhRNDpiP/ExcKQxl9F9120Tu1nDheeCAht1zkqYoek=";
  rows[3].what = "version 4 in the header";
  rows[3].request.params = {
      {"Action", "DescribeInstances"}, {"zeta", "a b"}, {"Alpha", "\xc3\xa9/~"}};
  rows[3].request.headers = {{"Host", "cloud.test:8773"},
                             {"X-Amz-Date", "20200102T030405Z"},
                             {"Authorization",
                              "AWS4-HMAC-SHA256 Credential=AK/20200102/RegionOne/ec2/aws4_request, "
                              "SignedHeaders=host;x-amz-date, Signature=x"}};
  rows[3].request.body_hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  rows[3].signature = "20919d96dc6ffe2a7d50454a6b4fe9659e23cd09b5a34aaa55404178ae30f939";
  rows[4] = rows[3];
  rows[4].what = "version 4 of a POST";
  rows[4].request.verb = "POST";
  rows[4].signature = "0fd794254daa1e29000d0bfa6c7642d49e6d2736739112a333cf28521ff20e18";
  rows[5] = rows[3];
  rows[5].what = "version 4 in the query";
  rows[5].request.params = {{"Action", "X"},
                            {"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                            {"X-Amz-Credential", "AK/20200102/RegionOne/ec2/aws4_request"},
                            {"X-Amz-SignedHeaders", "host"},
                            {"X-Amz-Date", "20200102T030405Z"}};
  rows[5].request.headers = {{"host", "cloud.test:8773"}};
  rows[5].signature = "035ee6270bac444260b1b11ee51fde239c99d9d5020aa91cebdf171821a35a5c";
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto made = identity::ec2_signature(row.request, row.request.host, "s3cret");
    REQUIRE(made);
    CHECK(made->text == row.signature);
    CHECK(format_time(made->signed_at) == time);
    CHECK(identity::ec2_signature(row.request, row.request.host, "s3cretx")->text != row.signature);
  }
  SignedRequest s3;
  s3.string_to_sign = "GET\n\n\nThu, 02 Jan 2020 03:04:05 GMT\n/bucket/key";
  CHECK(identity::s3_signature(s3, "s3cret")->text == "J2Et1iu024hq2KzOR9x4XwQh1iw=");
  s3.string_to_sign = "AWS4-HMAC-SHA256\n20200102T030405Z\n20200102/RegionOne/s3/aws4_request\n";
  for (int i = 0; i < 32; ++i) s3.string_to_sign += "ab";
  CHECK(identity::s3_signature(s3, "s3cret")->text ==
        "ea185d917edf71d5613586adc18620a5506e697afb5ea8ff326be184d4eabf53");
}

TEST_CASE("a request that lacks what a signature is of has none") {
  std::vector<SignedRequest> rows(9, plain_request());
  rows[1].params["SignatureVersion"] = "2";  // No time.
  rows[2].params["SignatureVersion"] = "3";
  rows[2].params["Timestamp"] = "2020-01-02T03:04:05Z";
  rows[3] = rows[2];
  rows[3].params["SignatureVersion"] = "2";
  rows[3].params["SignatureMethod"] = "HmacMD5";
  rows[4] = rows[3];
  rows[4].params.erase("SignatureMethod");
  rows[4].params["Timestamp"] = "yesterday";
  const auto by_4 = [](SignedRequest& r, const std::string& credential, const std::string& date) {
    r.headers = {{"X-Amz-Date", date},
                 {"Authorization", "AWS4-HMAC-SHA256 Credential=" + credential +
                                       ", SignedHeaders=host, Signature=x"}};
  };
  by_4(rows[5], "AK/20200102/R/ec2/aws4_request", "20200103T030405Z");  // Another day.
  by_4(rows[6], "AK/20200102/R/ec2", "20200102T030405Z");
  by_4(rows[7], "OTHER/20200102/R/ec2/aws4_request", "20200102T030405Z");
  by_4(rows[8], "AK/2020/R/ec2/aws4_request", "20200102T030405Z");
  for (const SignedRequest& row : rows) {
    const auto made = identity::ec2_signature(row, row.host, "s");
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::Unauthenticated);
  }
  SignedRequest s3;
  for (const char* text : {"", "AWS4", "GET\n\n\n\n/", "GET\n\n\nnever\n/x",
                           "AWS4-HMAC-SHA256\n20200102T030405Z\n20200102/R/ec2/aws4_request\nab",
                           "AWS4-HMAC-SHA256\n20200103T030405Z\n20200102/R/s3/aws4_request\nab"}) {
    s3.string_to_sign = text;
    CHECK_FALSE(identity::s3_signature(s3, "s"));
  }
}

TEST_CASE("times of signing are read in the three spellings, and nothing else") {
  for (const char* text : {"20200102T030405Z", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05.000Z",
                           "2020-01-02T03:04:05", "Thu, 02 Jan 2020 03:04:05 GMT",
                           "Thu, 02 Jan 2020 03:04:05 +0000"}) {
    CAPTURE(text);
    const auto time = identity::read_signing_time(text);
    REQUIRE(time);
    CHECK(format_time(*time) == "2020-01-02T03:04:05Z");
  }
  for (const char* text : {"", "2020", "20201302T030405Z", "20200102T250405Z", "2020-01-02",
                           "2020-01-02T03:04:05+09:00", "Thu, 02 Foo 2020 03:04:05 GMT",
                           "Thu, 32 Jan 2020 03:04:05 GMT", "20200102X030405Z"}) {
    CAPTURE(text);
    CHECK_FALSE(identity::read_signing_time(text));
  }
}

TEST_CASE("a signed request gives its key's user a token for its key's project, to services") {
  Keys k;
  const Ec2Key key = k.key();
  const auto token = k.credentials().token_for_ec2(k.service, signed_request(k.world, key));
  REQUIRE(token);
  CHECK(token->user.id == k.una.id.value);
  CHECK(token->project->id == k.work.id.value);
  CHECK(token->methods == std::vector<std::string>{"ec2credential"});
  CHECK(k.world.identity->validate(token->text));
  // No port in what was signed.
  SignedRequest bare = signed_request(k.world, key, seconds(0), "Bare");
  bare.signature = identity::ec2_signature(bare, "cloud.test", key.secret)->text;
  CHECK(k.credentials().token_for_ec2(k.service, bare));
  for (const Context& caller : {Context(), k.as_una}) {
    CHECK(failure(k.credentials().token_for_ec2(
              caller, signed_request(k.world, key, seconds(1)))) == ErrorCode::Forbidden);
    CHECK(failure(k.credentials().token_for_s3(caller, {})) == ErrorCode::Forbidden);
  }
}

TEST_CASE("what is wrong with a signature is told to nobody") {
  Keys k;
  const Ec2Key key = k.key();
  std::vector<SignedRequest> rows(6, signed_request(k.world, key, seconds(5)));
  rows[0].access = "unknown";
  rows[1].signature = "wrong";
  rows[2].signature = "";
  rows[3].params["Action"] = "TerminateInstances";
  rows[4] = signed_request(k.world, key, seconds(901));
  rows[5] = signed_request(k.world, key, seconds(-901));
  std::set<std::string> messages;
  for (const SignedRequest& row : rows) {
    const auto token = k.credentials().token_for_ec2(k.service, row);
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::Unauthenticated);
    messages.insert(token.error().message);
  }
  CHECK(messages.size() == 1);
  SignedRequest huge = signed_request(k.world, key);
  huge.params["x"] = std::string(limits::kSignedRequestBytes, 'x');
  CHECK(failure(k.credentials().token_for_ec2(k.service, huge)) == ErrorCode::InvalidArgument);
}

TEST_CASE("a signature is good once, for its life, and is forgotten after it") {
  Keys k;
  const Ec2Key key = k.key();
  const SignedRequest request = signed_request(k.world, key);
  CHECK(k.credentials().token_for_ec2(k.service, request));
  CHECK(failure(k.credentials().token_for_ec2(k.service, request)) == ErrorCode::Unauthenticated);
  k.world.start();  // Also by another process or after a crash.
  CHECK_FALSE(k.credentials().token_for_ec2(k.service, request));
  CHECK(k.world.keys("/signature/") == 1);
  k.world.clock.advance(seconds(901));
  CHECK_FALSE(k.credentials().token_for_ec2(k.service, request));
  AccountRules rules;
  rules.signature_life = seconds(60);
  REQUIRE(k.world.identity->set_account_rules(rules));
  CHECK_FALSE(k.credentials().token_for_ec2(k.service, signed_request(k.world, key, seconds(61))));
  CHECK(k.credentials().token_for_ec2(k.service, signed_request(k.world, key, seconds(60))));
  k.world.clock.advance(std::chrono::hours(1));
  for (int i = 0; i < 64; ++i) {
    k.world.executor.run_pending();
    k.world.clock.advance(seconds(60));
  }
  CHECK(k.world.keys("/signature/") == 0);
}

TEST_CASE("a key dies with its user's roles and rights, and a token of it is not exchanged") {
  Keys k;
  const Ec2Key key = k.key();
  const auto token = k.credentials().token_for_ec2(k.service, signed_request(k.world, key));
  REQUIRE(token);
  CHECK(failure(k.world.rescope(token->text, World::unscoped())) == ErrorCode::Forbidden);
  const Context by_key = token->context("r");
  CHECK(by_key.restricted);
  CHECK(failure(k.credentials().create_ec2(by_key, k.una.id, k.work.id)) == ErrorCode::Forbidden);
  CHECK(k.credentials().list(by_key, {})->empty());
  IdentityUpdate off;
  off.enabled = false;
  REQUIRE(k.world.identity->update_user(k.world.system, k.una.id, off));
  CHECK_FALSE(k.credentials().token_for_ec2(k.service, signed_request(k.world, key, seconds(1))));
  off.enabled = true;
  REQUIRE(k.world.identity->update_user(k.world.system, k.una.id, off));
  CHECK(k.credentials().token_for_ec2(k.service, signed_request(k.world, key, seconds(2))));
  for (const char* role : {"member", "reader"}) {
    Assignment grant;
    grant.user = k.una.id;
    grant.project = k.work.id;
    grant.role = k.world.role(role);
    REQUIRE(k.world.identity->ungrant(k.world.system, grant));
  }
  CHECK_FALSE(k.credentials().token_for_ec2(k.service, signed_request(k.world, key, seconds(3))));
}

TEST_CASE("a key made by a trust keeps to the trust: its roles, its end, its trustee") {
  Keys k;
  TrustCreate spec;
  spec.trustor = k.una.id;
  spec.trustee = k.otto.id;
  spec.project = k.work.id;
  spec.roles = {{k.world.role("reader").value, {}, {}, {}}};
  spec.impersonation = true;
  spec.expires_at = k.world.clock.wall() + seconds(600);
  const auto trust = k.world.identity->trusts().create(k.as_una, spec);
  REQUIRE(trust);
  Login login;
  login.password = Login::Password{{k.otto.id.value, {}, {}, {}}, "password of otto"};
  login.scope = {Scope::Kind::Trust, {trust->id.value, {}, {}, {}}};
  const auto by_trust = k.world.identity->authenticate(login);
  REQUIRE(by_trust);
  CHECK(by_trust->user.id == k.una.id.value);
  const auto made = k.credentials().create_ec2(by_trust->context("r"), k.una.id, k.work.id);
  REQUIRE(made);
  CHECK(made->trust == trust->id);
  const auto token = k.credentials().token_for_ec2(k.service, signed_request(k.world, made->ec2));
  REQUIRE(token);
  CHECK(role_names(*token) == std::vector<std::string>{"reader"});
  CHECK(token->trust->id == trust->id);
  CHECK(token->expires_at <= *spec.expires_at);
  CHECK_FALSE(k.world.rescope(token->text, World::unscoped()));
  k.world.clock.advance(seconds(601));
  CHECK_FALSE(k.credentials().token_for_ec2(k.service, signed_request(k.world, made->ec2)));
}

TEST_CASE("a key made by an application credential keeps to it, and dies with it") {
  Keys k;
  ApplicationCredentialCreate spec;
  spec.user = k.una.id;
  spec.name = "robot";
  spec.secret = "of the robot";
  spec.roles = {{k.world.role("reader").value, {}, {}, {}}};
  spec.unrestricted = true;
  const auto credential = k.world.identity->application_credentials().create(k.as_una, spec);
  REQUIRE(credential);
  Login login;
  login.application_credential =
      Login::ApplicationCredential{credential->id.value, {}, {}, "of the robot"};
  const auto by_robot = k.world.identity->authenticate(login);
  REQUIRE(by_robot);
  const auto made = k.credentials().create_ec2(by_robot->context("r"), k.una.id, k.work.id);
  REQUIRE(made);
  CHECK(made->application_credential == credential->id);
  const auto token = k.credentials().token_for_ec2(k.service, signed_request(k.world, made->ec2));
  REQUIRE(token);
  CHECK(role_names(*token) == std::vector<std::string>{"reader"});
  REQUIRE(
      k.world.identity->application_credentials().remove(k.as_una, k.as_una.user, credential->id));
  CHECK_FALSE(
      k.credentials().token_for_ec2(k.service, signed_request(k.world, made->ec2, seconds(1))));
}

TEST_CASE("an S3 signature is good for its life, and a signed URL until its own end") {
  Keys k;
  const Ec2Key key = k.key();
  const auto request = [&](const std::string& text) {
    SignedRequest made;
    made.access = key.access;
    made.string_to_sign = text;
    made.signature = identity::s3_signature(made, key.secret)->text;
    return made;
  };
  // Now is 2023-11-14T22:13:20Z.
  const auto dated = request("GET\n\n\nTue, 14 Nov 2023 22:13:20 GMT\n/bucket");
  const auto by_4 = request("AWS4-HMAC-SHA256\n20231114T221320Z\n20231114/R/s3/aws4_request\nab");
  const auto url = request("GET\n\n\n1700001200\n/bucket");
  for (const auto* good : {&dated, &by_4, &url})
    CHECK(k.credentials().token_for_s3(k.service, *good));
  SignedRequest changed = dated;
  changed.string_to_sign += "x";
  CHECK_FALSE(k.credentials().token_for_s3(k.service, changed));
  k.world.clock.advance(seconds(901));
  CHECK_FALSE(k.credentials().token_for_s3(k.service, dated));
  CHECK_FALSE(k.credentials().token_for_s3(k.service, by_4));
  CHECK(k.credentials().token_for_s3(k.service, url));
  k.world.clock.advance(seconds(300));
  CHECK_FALSE(k.credentials().token_for_s3(k.service, url));
}

TEST_CASE("an S3 signature of a change is good once, those that are meant to be repeated again") {
  Keys k;
  const Ec2Key key = k.key();
  struct Row {
    std::string what, text;
    bool once;
  };
  // Now is 2023-11-14T22:13:20Z.
  const std::string date = "\n\n\nTue, 14 Nov 2023 22:13:20 GMT\n/bucket/key";
  const Row rows[] = {
      {"a read", "GET" + date, false},
      {"a look", "HEAD" + date, false},
      {"a write", "PUT" + date, true},
      {"a form", "POST" + date, true},
      {"a removal", "DELETE" + date, true},
      {"a signed URL to write to", "PUT\n\n\n1700001200\n/bucket/key", false},
      {"version 4, which does not tell",
       "AWS4-HMAC-SHA256\n20231114T221320Z\n20231114/R/s3/aws4_request\nab", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SignedRequest request;
    request.access = key.access;
    request.string_to_sign = row.text;
    request.signature = identity::s3_signature(request, key.secret)->text;
    CHECK(k.credentials().token_for_s3(k.service, request));
    CHECK(k.credentials().token_for_s3(k.service, request).has_value() == !row.once);
  }
}
