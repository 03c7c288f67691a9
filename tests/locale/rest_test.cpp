// Refusals of every service in the language of the request.
#include <doctest/doctest.h>

#include "base/text.hpp"
#include "rest/support.hpp"

using rest_test::Answer;
using rest_test::Site;

namespace {

bool has_korean(const std::string& text) {
  // Hangul syllables: EA B0 80 ... ED 9E A3.
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0xea && byte <= 0xed) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("every service refuses in the language that was asked for") {
  Site site;
  struct Row {
    std::string what, method, target, body;
    int status;
  };
  const Row rows[] = {
      {"identity", "GET", "/v3/users/nobody", "", 404},
      {"identity, a body", "POST", "/v3/users", "{", 400},
      {"image", "GET", "/image/v2/images/nothing", "", 404},
      {"network", "GET", "/network/v2.0/networks/nothing", "", 404},
      {"compute", "GET", "/compute/v2.1/servers/nothing", "", 404},
      {"audit", "GET", "/audit/v1/events/nothing", "", 404},
      {"no path", "GET", "/v3/no/such/thing", "", 404},
      {"no method", "DELETE", "/v3/auth/catalog", "", 405},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer english = site.send(row.method, row.target, row.body, site.admin);
    CHECK(english.status == row.status);
    CHECK_FALSE(has_korean(english.text));
    CHECK_FALSE(english.headers.has("Content-Language"));
    const Answer korean = site.send(row.method, row.target, row.body, site.admin,
                                    {{"Accept-Language", "ko-KR,ko;q=0.9,en;q=0.8"}});
    CHECK(korean.status == row.status);
    CHECK(has_korean(korean.text));
    CHECK(cloudos::utf8_length(korean.text));
    CHECK(korean.headers.get("Content-Language") == "ko");
    CHECK(std::string(korean.headers.get("Vary")).find("Accept-Language") != std::string::npos);
    CHECK(korean.headers.count("Vary") == 1);
    const Answer french =
        site.send(row.method, row.target, row.body, site.admin, {{"Accept-Language", "fr"}});
    CHECK(french.text == english.text);
    CHECK(french.headers.get("Content-Language") == "en");
  }
}

TEST_CASE("what is no refusal is the same in every language") {
  Site site;
  const Answer korean = site.send("GET", "/v3/roles", "", site.admin, {{"Accept-Language", "ko"}});
  CHECK(korean.status == 200);
  CHECK_FALSE(korean.headers.has("Content-Language"));
  CHECK(korean.text == site.send("GET", "/v3/roles", "", site.admin).text);
}

TEST_CASE("the error's type is the same in every language") {
  Site site;
  const auto type = [&](const rest_test::HeaderList& headers) {
    return site.send("GET", "/network/v2.0/networks/nothing", "", site.admin, headers)
        .json()["NeutronError"]["type"]
        .get<std::string>();
  };
  CHECK(type({}) == "NetworkNotFound");
  CHECK(type({{"Accept-Language", "ko"}}) == "NetworkNotFound");
}
