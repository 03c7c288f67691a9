#include "cloudos/domain_configs.hpp"

#include "cloudos/oauth.hpp"
#include "identity/credential_keys.hpp"
#include "identity/domain_options.hpp"
#include "identity/domain_records.hpp"
#include "identity/support.hpp"
#include "records/table.hpp"

using namespace cloudos;
using namespace identity_test;

namespace {

template <class T>
std::optional<ErrorCode> config_error(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

DomainOption as_text(const char* text) {
  return DomainOption(std::string(text));
}
DomainOption as_number(std::int64_t number) {
  return DomainOption(number);
}

const DomainConfig kDirectory{
    {"identity", {{"driver", as_text("ldap")}, {"list_limit", as_number(7)}}},
    {"ldap",
     {{"url", as_text("ldap://directory.example/")},
      {"use_tls", DomainOption(true)},
      {"pool_retry_delay", DomainOption(0.5)},
      {"user_attribute_ignore", DomainOption(std::vector<std::string>{"a", "b"})}}}};

std::string everything_stored(World& world) {
  const auto at = world.store->snapshot();
  REQUIRE(at);
  const auto rows = (*at)->scan("/");
  REQUIRE(rows);
  std::string all;
  for (const auto& row : *rows) {
    all += row.key;
    all += row.value;
  }
  return all;
}

}  // namespace

TEST_CASE("a domain's configuration is set, shown, changed and unset, and survives a restart") {
  World world;
  const DomainId domain = world.add_domain("d").id;
  CHECK(config_error(world.identity->domain_configs().get(world.system, domain)) ==
        ErrorCode::NotFound);
  const auto made = world.identity->domain_configs().replace(world.system, domain, kDirectory);
  REQUIRE(made);
  CHECK_FALSE(made->was_set);
  CHECK(made->config == kDirectory);
  world.start();
  DomainConfigs& configs = world.identity->domain_configs();
  CHECK(*configs.get(world.system, domain) == kDirectory);
  CHECK(*configs.get(world.system, domain, {"identity", "driver"}) ==
        DomainConfig{{"identity", {{"driver", as_text("ldap")}}}});

  const DomainConfig change{{"ldap", {{"url", as_text("ldap://other.example/")}}}};
  const auto changed = configs.update(world.system, domain, {"ldap", "url"}, change);
  REQUIRE(changed);
  CHECK(changed->at("ldap").at("url") == as_text("ldap://other.example/"));
  CHECK(changed->at("ldap").size() == 4);
  CHECK(changed->at("identity") == kDirectory.at("identity"));

  REQUIRE(configs.remove(world.system, domain, {"identity", "driver"}));
  CHECK(config_error(configs.get(world.system, domain, {"identity", "driver"})) ==
        ErrorCode::NotFound);
  REQUIRE(configs.remove(world.system, domain, {"identity", ""}));
  for (const auto& part : {DomainConfigPart{"identity", ""}, {"identity", "list_limit"}}) {
    CAPTURE(part.option);
    CHECK(config_error(configs.get(world.system, domain, part)) == ErrorCode::NotFound);
    CHECK(config_error(configs.remove(world.system, domain, part)) == ErrorCode::NotFound);
    CHECK(config_error(configs.update(world.system, domain, part,
                                      {{"identity", {{"list_limit", as_number(1)}}}})) ==
          ErrorCode::NotFound);
  }
  const auto again = configs.replace(world.system, domain, change);
  REQUIRE(again);
  CHECK(again->was_set);
  CHECK(again->config == change);
  const auto before = world.keys();
  REQUIRE(configs.remove(world.system, domain));
  CHECK(world.keys() < before);
  CHECK(config_error(configs.get(world.system, domain)) == ErrorCode::NotFound);
  CHECK(configs.remove(world.system, domain));
}

TEST_CASE("a configuration holds options that there are, each of its own type") {
  World world;
  const DomainId domain = world.add_domain("d").id;
  DomainConfigs& configs = world.identity->domain_configs();
  struct Row {
    std::string what;
    DomainConfig config;
    std::optional<ErrorCode> error;
  };
  const Row rows[] = {
      {"nothing", {}, ErrorCode::Forbidden},
      {"an empty group", {{"ldap", {}}}, ErrorCode::Forbidden},
      {"another group", {{"token", {{"provider", as_text("x")}}}}, ErrorCode::Forbidden},
      {"another option", {{"ldap", {{"colour", as_text("x")}}}}, ErrorCode::Forbidden},
      {"an option of another group", {{"identity", {{"url", as_text("x")}}}}, ErrorCode::Forbidden},
      {"a number for a text", {{"ldap", {{"url", as_number(1)}}}}, ErrorCode::InvalidArgument},
      {"no choice", {{"ldap", {{"query_scope", as_text("all")}}}}, ErrorCode::InvalidArgument},
      {"a choice", {{"ldap", {{"query_scope", as_text("sub")}}}}, std::nullopt},
      {"too small", {{"ldap", {{"pool_size", as_number(0)}}}}, ErrorCode::InvalidArgument},
      {"below zero", {{"identity", {{"list_limit", as_number(-1)}}}}, ErrorCode::InvalidArgument},
      {"no number", {{"ldap", {{"page_size", as_text("many")}}}}, ErrorCode::InvalidArgument},
      {"a number as text", {{"ldap", {{"page_size", as_text("20")}}}}, std::nullopt},
      {"no switch", {{"ldap", {{"use_tls", as_text("maybe")}}}}, ErrorCode::InvalidArgument},
      {"a switch as text", {{"ldap", {{"use_tls", as_text("True")}}}}, std::nullopt},
      {"a fraction as text", {{"ldap", {{"pool_retry_delay", as_text("1.25")}}}}, std::nullopt},
      {"no fraction",
       {{"ldap", {{"pool_retry_delay", as_text("1.2.5")}}}},
       ErrorCode::InvalidArgument},
      {"no list",
       {{"ldap", {{"user_attribute_ignore", as_number(1)}}}},
       ErrorCode::InvalidArgument},
      {"an empty secret", {{"ldap", {{"password", as_text("")}}}}, ErrorCode::InvalidArgument},
      {"no value", {{"ldap", {{"user", DomainOption()}}}}, ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(config_error(configs.replace(world.system, domain, row.config)) == row.error);
  }
  // A text becomes what the option is.
  const auto typed = configs.replace(world.system, domain,
                                     {{"ldap",
                                       {{"page_size", as_text("20")},
                                        {"use_tls", as_text("True")},
                                        {"pool_retry_delay", as_text("1.25")},
                                        {"group_attribute_ignore", as_text("a,b")}}}});
  REQUIRE(typed);
  CHECK(typed->config.at("ldap").at("page_size") == as_number(20));
  CHECK(typed->config.at("ldap").at("use_tls") == DomainOption(true));
  CHECK(typed->config.at("ldap").at("pool_retry_delay") == DomainOption(1.25));
  CHECK(typed->config.at("ldap").at("group_attribute_ignore") ==
        DomainOption(std::vector<std::string>{"a", "b"}));
  // A change of a part is of that part only.
  CHECK(config_error(configs.update(world.system, domain, {"ldap", "page_size"},
                                    {{"ldap", {{"use_tls", DomainOption(false)}}}})) ==
        ErrorCode::Forbidden);
  CHECK(config_error(configs.update(world.system, domain, {"ldap", ""}, kDirectory)) ==
        ErrorCode::Forbidden);
  CHECK(config_error(configs.get(world.system, domain, {"token", ""})) == ErrorCode::Forbidden);
  CHECK(config_error(configs.get(world.system, domain, {"ldap", "colour"})) ==
        ErrorCode::Forbidden);
  CHECK(config_error(configs.get(world.system, DomainId{"nowhere"})) == ErrorCode::NotFound);
  CHECK(config_error(configs.replace(world.system, DomainId{"nowhere"}, kDirectory)) ==
        ErrorCode::NotFound);
}

TEST_CASE("a directory's password is sealed, never shown, and opened by the folder's key") {
  TempFolder folder;
  World world(folder.path);
  const DomainId domain = world.add_domain("d").id;
  DomainConfigs& configs = world.identity->domain_configs();
  const std::string secret = "hush of the directory";
  DomainConfig config = kDirectory;
  config["ldap"]["password"] = secret;
  const auto made = configs.replace(world.system, domain, config);
  REQUIRE(made);
  CHECK(made->config == kDirectory);
  CHECK(*configs.get(world.system, domain) == kDirectory);
  CHECK(config_error(configs.get(world.system, domain, {"ldap", "password"})) ==
        ErrorCode::NotFound);
  CHECK(everything_stored(world).find(secret) == std::string::npos);
  const auto at = world.store->snapshot();
  const auto record = records::get<identity::DomainConfigRecord>(**at, domain);
  REQUIRE(record);
  identity::CredentialKeys keys;
  REQUIRE(keys.open(folder.path / "keys" / "credentials", world.random, false));
  std::string opened;
  for (const identity::StoredOption& option : record->options)
    if (option.name == "password") opened = *keys.unseal(option.sealed);
  CHECK(opened == secret);
  // It can be changed and unset without being seen.
  CHECK(configs.update(world.system, domain, {"ldap", "password"},
                       {{"ldap", {{"password", as_text("other")}}}}));
  CHECK(configs.remove(world.system, domain, {"ldap", "password"}));
  CHECK(config_error(configs.remove(world.system, domain, {"ldap", "password"})) ==
        ErrorCode::NotFound);
  CHECK(*configs.get(world.system, domain) == kDirectory);
}

TEST_CASE("every option but a secret has a default of its own type, or none") {
  World world;
  world.settings.list_limit = 40;
  world.start();
  const DomainConfigs& configs = world.identity->domain_configs();
  const auto all = configs.defaults(world.system);
  REQUIRE(all);
  CHECK(all->at("identity").at("list_limit") == as_number(40));
  CHECK(all->at("ldap").at("page_size") == as_number(0));
  CHECK(all->at("ldap").at("user") == DomainOption());
  CHECK_FALSE(all->at("ldap").contains("password"));
  for (const identity::OptionRule& rule : identity::option_rules()) {
    CAPTURE(rule.name);
    const bool given = !rule.fallback.empty();
    CHECK((identity::option_fallback(rule) != DomainOption()) ==
          (given || rule.type == identity::OptionType::List));
  }
  CHECK(config_error(configs.defaults(world.system, {"ldap", "password"})) == ErrorCode::Forbidden);
  CHECK(config_error(configs.defaults(world.system, {"token", ""})) == ErrorCode::Forbidden);
  CHECK(configs.defaults(world.system, {"ldap", "url"})->at("ldap").size() == 1);
}

TEST_CASE("a domain's list limit stands in for the cloud's, and its configuration goes with it") {
  World world;
  world.settings.list_limit = 40;
  world.start();
  const auto before = world.keys();
  const DomainId domain = world.add_domain("d").id;
  DomainConfigs& configs = world.identity->domain_configs();
  CHECK(configs.list_limit(domain) == 40u);
  REQUIRE(configs.replace(world.system, domain, kDirectory));
  CHECK(configs.list_limit(domain) == 7u);
  CHECK(configs.list_limit(DomainId{"default"}) == 40u);
  IdentityUpdate disable;
  disable.enabled = false;
  REQUIRE(world.identity->update_domain(world.system, domain, disable));
  REQUIRE(world.identity->remove_domain(world.system, domain));
  CHECK(world.keys() == before);
}

TEST_CASE("what is asked of passwords is told of the default domain") {
  World world;
  AccountRules rules;
  rules.password_regex = "^.{7,}$";
  REQUIRE(world.identity->set_account_rules(rules));
  const DomainConfigs& configs = world.identity->domain_configs();
  const DomainId domain{"default"};
  const auto all = configs.password_rules(world.system, domain);
  REQUIRE(all);
  CHECK(all->at("security_compliance").at("password_regex") == as_text("^.{7,}$"));
  CHECK(all->at("security_compliance").at("password_regex_description") == DomainOption());
  CHECK(configs.password_rules(world.system, domain, "password_regex")
            ->at("security_compliance")
            .size() == 1);
  CHECK(config_error(configs.password_rules(world.system, domain, "lockout_duration")) ==
        ErrorCode::Forbidden);
  CHECK(config_error(configs.password_rules(world.system, world.add_domain("d").id)) ==
        ErrorCode::Forbidden);
}

TEST_CASE("a consumer's secret is shown once and sealed; the rest can be changed") {
  TempFolder folder;
  World world(folder.path);
  const auto before = world.keys();
  OAuthConsumers& consumers = world.identity->oauth_consumers();
  const auto made = consumers.create(world.system, {"a printer", {{"colour", "\"red\""}}});
  REQUIRE(made);
  CHECK(made->secret.size() == 64);
  const auto second = consumers.create(world.system, {});
  REQUIRE(second);
  CHECK(second->secret != made->secret);
  CHECK(everything_stored(world).find(made->secret) == std::string::npos);
  const auto at = world.store->snapshot();
  const auto record = records::get<identity::OAuthConsumerRecord>(**at, made->id);
  REQUIRE(record);
  identity::CredentialKeys keys;
  REQUIRE(keys.open(folder.path / "keys" / "credentials", world.random, false));
  CHECK(*keys.unseal(record->sealed_secret) == made->secret);

  const auto shown = consumers.get(world.system, made->id);
  REQUIRE(shown);
  CHECK(shown->secret.empty());
  CHECK(shown->description == "a printer");
  CHECK(shown->extra == made->extra);
  CHECK(consumers.list(world.system, {})->size() == 2);
  const auto changed =
      consumers.update(world.system, made->id, {"a scanner", {{"colour", std::nullopt}}});
  REQUIRE(changed);
  CHECK(changed->description == "a scanner");
  CHECK(changed->extra.empty());
  CHECK(
      *keys.unseal(records::get<identity::OAuthConsumerRecord>(**world.store->snapshot(), made->id)
                       ->sealed_secret) == made->secret);
  REQUIRE(consumers.remove(world.system, made->id));
  CHECK(config_error(consumers.get(world.system, made->id)) == ErrorCode::NotFound);
  CHECK(config_error(consumers.update(world.system, made->id, {})) == ErrorCode::NotFound);
  CHECK(config_error(consumers.remove(world.system, made->id)) == ErrorCode::NotFound);
  REQUIRE(consumers.remove(world.system, second->id));
  CHECK(world.keys() == before);
}
