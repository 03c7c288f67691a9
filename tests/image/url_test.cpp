#include <doctest/doctest.h>

#include "image/web.hpp"

using namespace cloudos;
using namespace image_test;
using image::Url;
using image::UrlGuard;

TEST_CASE("a URL that two readers could take for different places is refused") {
  struct Row {
    std::string what, url;
  };
  const Row rows[] = {
      {"nothing", ""},
      {"no scheme", "example.org/x"},
      {"a file of this host", "file:///etc/passwd"},
      {"glance's own file system scheme", "filesystem:///etc/passwd"},
      {"gopher", "gopher://127.0.0.1:25/_HELO"},
      {"ftp", "ftp://example.org/x"},
      {"userinfo", "http://example.org@127.0.0.1/"},
      {"userinfo with a password", "http://a:b@example.org/"},
      {"an escaped at sign in the host", "http://example.org%40127.0.0.1/"},
      {"an escaped host", "http://%31%32%37.0.0.1/"},
      {"a backslash", "http://example.org\\@127.0.0.1/"},
      {"a blank", "http://example.org/a b"},
      {"a line end", "http://example.org/\r\nX: y"},
      {"a zero byte", std::string("http://example.org/\0", 20)},
      {"a tab in the host", "http://exa\tmple.org/"},
      {"letters beyond ASCII", "http://ex\xc3\xa4mple.org/"},
      {"decimal address", "http://2130706433/"},
      {"hexadecimal address", "http://0x7f000001/"},
      {"hexadecimal part", "http://127.0.0.0x1/"},
      {"octal part", "http://0177.0.0.1/"},
      {"short address", "http://127.1/"},
      {"number too big", "http://256.0.0.1/"},
      {"five parts", "http://1.2.3.4.5/"},
      {"leading zeros", "http://127.000.000.001/"},
      {"IPv6 without brackets", "http://::1/"},
      {"IPv6 with a zone", "http://[fe80::1%25eth0]/"},
      {"brackets without an end", "http://[::1/"},
      {"an IPv4 address in brackets", "http://[127.0.0.1]/"},
      {"port 0", "http://example.org:0/"},
      {"port too big", "http://example.org:65536/"},
      {"port with a sign", "http://example.org:+80/"},
      {"empty port", "http://example.org:/"},
      {"empty host", "http:///x"},
      {"dots only", "http://../x"},
      {"empty label", "http://a..b/"},
      {"a label that ends in a dash", "http://a-/"},
      {"too long", "http://example.org/" + std::string(5'000, 'a')},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto url = image::parse_url(row.url);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("a URL is taken apart into what is asked for and whom") {
  struct Row {
    std::string what, url, host;
    std::uint16_t port;
    std::string target, text;
  };
  const Row rows[] = {
      {"plain", "http://example.org", "example.org", 80, "/", "http://example.org/"},
      {"https", "https://example.org/a/b?c=d", "example.org", 443, "/a/b?c=d",
       "https://example.org/a/b?c=d"},
      {"upper case and a last dot", "HTTP://EXAMPLE.Org./X", "example.org", 80, "/X",
       "http://example.org/X"},
      {"port", "https://example.org:8443/", "example.org", 8443, "/", "https://example.org:8443/"},
      {"query without path", "http://example.org?x", "example.org", 80, "/?x",
       "http://example.org/?x"},
      {"fragment", "http://example.org/a#b", "example.org", 80, "/a", "http://example.org/a"},
      {"at sign in the path", "http://example.org/@x", "example.org", 80, "/@x",
       "http://example.org/@x"},
      {"IPv4", "http://192.0.2.1/", "192.0.2.1", 80, "/", "http://192.0.2.1/"},
      {"IPv6", "http://[2001:DB8:0::1]:81/", "2001:db8::1", 81, "/", "http://[2001:db8::1]:81/"},
      {"mapped IPv6", "http://[::ffff:127.0.0.1]/", "127.0.0.1", 80, "/", "http://127.0.0.1/"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto url = image::parse_url(row.url);
    REQUIRE(url);
    CHECK(url->host == row.host);
    CHECK(url->port == row.port);
    CHECK(url->target == row.target);
    CHECK(url->text() == row.text);
    const auto again = image::parse_url(url->text());
    REQUIRE(again);
    CHECK(again->text() == url->text());
  }
}

TEST_CASE("a redirect leads where RFC 3986 says, and nowhere else") {
  struct Row {
    std::string what, location, text;
  };
  const Row rows[] = {
      {"absolute", "https://other.org/x", "https://other.org/x"},
      {"without scheme", "//other.org/x", "http://other.org/x"},
      {"absolute path", "/x?y", "http://example.org/x?y"},
      {"relative path", "x", "http://example.org/a/x"},
      {"query", "?z", "http://example.org/a/b?z"},
      {"other scheme", "file:///etc/passwd", ""},
      {"userinfo", "http://a@127.0.0.1/", ""},
      {"nothing", "", ""},
      {"blank", "/a b", ""},
  };
  const auto base = image::parse_url("http://example.org/a/b?c");
  REQUIRE(base);
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto url = image::follow_location(*base, row.location);
    CHECK(url.has_value() == !row.text.empty());
    if (url) CHECK(url->text() == row.text);
  }
}

TEST_CASE("only public addresses pass, whatever they are wrapped in") {
  struct Row {
    std::string what, address;
    bool passes;
  };
  const Row rows[] = {
      {"public IPv4", "93.184.216.34", true},
      {"public IPv6", "2606:2800:220:1::1", true},
      {"loopback", "127.0.0.1", false},
      {"all of loopback", "127.255.255.254", false},
      {"this network", "0.0.0.0", false},
      {"this network, another", "0.1.2.3", false},
      {"private 10", "10.0.0.1", false},
      {"private 172.16", "172.31.255.255", false},
      {"beside private 172.16", "172.32.0.1", true},
      {"private 192.168", "192.168.0.1", false},
      {"carrier-grade NAT", "100.64.0.1", false},
      {"link-local: metadata servers", "169.254.169.254", false},
      {"protocol assignments", "192.0.0.8", false},
      {"documentation", "192.0.2.1", false},
      {"benchmarks", "198.19.0.1", false},
      {"multicast", "224.0.0.1", false},
      {"reserved", "250.0.0.1", false},
      {"broadcast", "255.255.255.255", false},
      {"6to4 relay", "192.88.99.1", false},
      {"IPv6 unspecified", "::", false},
      {"IPv6 loopback", "::1", false},
      {"mapped loopback", "::ffff:127.0.0.1", false},
      {"mapped private", "::ffff:10.0.0.1", false},
      {"compatible loopback", "::127.0.0.1", false},
      {"NAT64 of loopback", "64:ff9b::7f00:1", false},
      {"NAT64 of a public one is still no public address", "64:ff9b::5db8:d822", false},
      {"local NAT64", "64:ff9b:1::a00:1", false},
      {"6to4 of loopback", "2002:7f00:1::1", false},
      {"6to4 of a public one", "2002:5db8:d822::1", false},
      {"Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
      {"IPv6 link-local", "fe80::1", false},
      {"unique local", "fd00::1", false},
      {"IPv6 multicast", "ff02::1", false},
      {"IPv6 documentation", "2001:db8::1", false},
      {"site-local of old", "fec0::1", false},
  };
  const auto guard = UrlGuard::make(UrlRules{});
  REQUIRE(guard);
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto address = image::parse_address(row.address);
    REQUIRE(address);
    CHECK(guard->check_address(*address).has_value() == row.passes);
  }
}

TEST_CASE("an operator opens networks, and an address inside another one is looked at too") {
  UrlRules rules;
  rules.allowed_networks = {"10.0.0.0/8", "64:ff9b::/96", "127.0.0.1"};
  rules.denied_networks = {"10.1.0.0/16", "93.184.216.0/24"};
  const auto guard = UrlGuard::make(rules);
  REQUIRE(guard);
  const auto passes = [&](const char* text) {
    const auto address = image::parse_address(text);
    REQUIRE(address);
    return guard->check_address(*address).has_value();
  };
  CHECK(passes("10.0.0.1"));
  CHECK(passes("127.0.0.1"));
  CHECK(passes("64:ff9b::808:808"));
  CHECK_FALSE(passes("127.0.0.2"));
  CHECK_FALSE(passes("10.1.2.3"));
  CHECK_FALSE(passes("93.184.216.34"));
  CHECK_FALSE(passes("64:ff9b::c0a8:1"));  // 192.168.0.1 behind the translator.
  CHECK_FALSE(passes("64:ff9b::a01:203"));  // 10.1.2.3, which is denied.
}

TEST_CASE("rules that are none are refused by name") {
  for (const char* network : {"10.0.0.0/33", "10.0.0.1/8", "example.org", "::1/129", ""}) {
    CAPTURE(network);
    UrlRules rules;
    rules.allowed_networks = {network};
    CHECK_FALSE(UrlGuard::make(rules));
  }
  UrlRules rules;
  rules.denied_hosts = {"http://example.org/"};
  CHECK_FALSE(UrlGuard::make(rules));
}

TEST_CASE("schemes, ports and hosts are held against the lists") {
  UrlRules rules;
  rules.schemes = {"https"};
  rules.ports = {443, 8443};
  rules.allowed_hosts = {"example.org", ".images.example.org"};
  rules.denied_hosts = {"bad.images.example.org"};
  const auto guard = UrlGuard::make(rules);
  REQUIRE(guard);
  struct Row {
    std::string what, url;
    bool passes;
  };
  const Row rows[] = {
      {"a host of the list", "https://example.org/", true},
      {"in capitals", "https://EXAMPLE.ORG./", true},
      {"below a suffix", "https://a.b.images.example.org:8443/", true},
      {"the suffix itself", "https://images.example.org/", false},
      {"ends alike", "https://notexample.org/", false},
      {"denied below the suffix", "https://bad.images.example.org/", false},
      {"scheme", "http://example.org/", false},
      {"port", "https://example.org:22/", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto url = image::parse_url(row.url);
    REQUIRE(url);
    CHECK(guard->check_url(*url).has_value() == row.passes);
  }
}

TEST_CASE("one forbidden answer of the name service refuses all of them") {
  const auto guard = UrlGuard::make(UrlRules{});
  REQUIRE(guard);
  const auto url = image::parse_url("http://example.org/");
  REQUIRE(url);
  using Answers = std::vector<std::vector<std::string>>;
  ScriptedResolver mixed(Answers{{"93.184.216.34", "169.254.169.254"}});
  const auto refused = image::checked_addresses(*guard, mixed, *url);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::Forbidden);
  // Which address it was is nothing for the caller: it would map what is behind us.
  CHECK(refused.error().message.find("169.254") == std::string::npos);
  ScriptedResolver clean(Answers{{"93.184.216.34", "2606:2800:220:1::1"}});
  const auto passed = image::checked_addresses(*guard, clean, *url);
  REQUIRE(passed);
  CHECK(passed->size() == 2);
  ScriptedResolver empty(Answers{{}});
  CHECK_FALSE(image::checked_addresses(*guard, empty, *url));
}
