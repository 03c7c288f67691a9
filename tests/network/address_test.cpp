#include <doctest/doctest.h>

#include "network/address.hpp"

using namespace cloudos;

TEST_CASE("an IPv4 address is four decimal parts and nothing else") {
  struct Row {
    const char* text;
    bool good;
  };
  const Row rows[] = {{"0.0.0.0", true},    {"255.255.255.255", true}, {"10.0.0.1", true},
                      {"", false},          {"10.0.0", false},         {"10.0.0.0.1", false},
                      {"256.0.0.1", false}, {"10.0.0.01", false},      {"10.0.0.-1", false},
                      {" 10.0.0.1", false}, {"10.0.0.1/24", false},    {"0x0a.0.0.1", false},
                      {"10.0.0.1\n", false}, {"1e1.0.0.1", false},     {"::1", false}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto parsed = network::parse_ipv4(row.text);
    CHECK(parsed.has_value() == row.good);
    if (parsed) CHECK(network::format_ipv4(*parsed) == row.text);
  }
}

TEST_CASE("a block knows its hosts, and says when host bits were set") {
  struct Row {
    const char* text;
    const char* block;
    bool host_bits;
    const char *first, *last;
  };
  const Row rows[] = {{"10.0.0.0/24", "10.0.0.0/24", false, "10.0.0.1", "10.0.0.254"},
                      {"10.0.0.77/24", "10.0.0.0/24", true, "10.0.0.1", "10.0.0.254"},
                      {"10.0.0.4/30", "10.0.0.4/30", false, "10.0.0.5", "10.0.0.6"},
                      {"10.0.0.4/31", "10.0.0.4/31", false, "10.0.0.4", "10.0.0.5"},
                      {"10.0.0.4/32", "10.0.0.4/32", false, "10.0.0.4", "10.0.0.4"},
                      {"0.0.0.0/0", "0.0.0.0/0", false, "0.0.0.1", "255.255.255.254"}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    bool host_bits = false;
    const auto block = network::parse_block(row.text, &host_bits);
    REQUIRE(block);
    CHECK(block->text() == row.block);
    CHECK(host_bits == row.host_bits);
    CHECK(network::format_ipv4(block->first_host()) == row.first);
    CHECK(network::format_ipv4(block->last_host()) == row.last);
  }
  for (const char* bad : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/024",
                          "/24", "10.0.0.0/24/24", "fd00::/64"}) {
    CAPTURE(bad);
    CHECK_FALSE(network::parse_block(bad));
  }
}

TEST_CASE("CIDRs of rules have one text, whatever was written") {
  struct Row {
    const char *text, *normal;
    bool ipv6;
  };
  const Row rows[] = {{"10.1.2.3", "10.1.2.3/32", false},
                      {"10.1.2.3/8", "10.0.0.0/8", false},
                      {"0.0.0.0/0", "0.0.0.0/0", false},
                      {"::/0", "::/0", true},
                      {"2001:DB8:0::1", "2001:db8::1/128", true},
                      {"2001:db8::ff/64", "2001:db8::/64", true}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto normal = network::normalise_cidr(row.text);
    REQUIRE(normal);
    CHECK(normal->text == row.normal);
    CHECK(normal->ipv6 == row.ipv6);
  }
  for (const char* bad : {"", "/0", "10.0.0.0/", "::/129", "fe80::1%eth0", "any", "10.0.0.0/8 ",
                          "::ffff:1.2.3.4.5"}) {
    CAPTURE(bad);
    CHECK_FALSE(network::normalise_cidr(bad));
  }
  CHECK(network::normalise_address_or_cidr("10.0.0.9") == "10.0.0.9");
  CHECK(network::normalise_address_or_cidr("10.0.0.9/24") == "10.0.0.0/24");
}

TEST_CASE("a MAC is one host's: no group, no broadcast, no zeros") {
  CHECK(network::normalise_mac("FA:16:3E:00:0a:Ff") == "fa:16:3e:00:0a:ff");
  CHECK(network::normalise_mac("fa-16-3e-00-0a-ff") == "fa:16:3e:00:0a:ff");
  for (const char* bad : {"", "fa:16:3e:00:0a", "fa:16:3e:00:0a:fg", "01:00:5e:00:00:01",
                          "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "fa:16:3e:00:0a:f",
                          "fa16.3e00.0aff", "fa:16:3e:00:0a:ff:00"}) {
    CAPTURE(bad);
    CHECK_FALSE(network::normalise_mac(bad));
  }
}
