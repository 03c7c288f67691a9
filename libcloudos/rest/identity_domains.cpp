#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cloudos/domain_configs.hpp"
#include "cloudos/oauth.hpp"
#include "rest/identity_handlers.hpp"

/// What domains are set to, and consumers of OAuth.
namespace cloudos::rest::identity_v3 {
namespace {

DomainConfigs& configs_of(const Call& call) {
  return call.cloud.identity().domain_configs();
}
DomainId config_domain(const Call& call) {
  return DomainId{call.path("domain_id")};
}

template <ConfigPart Part>
DomainConfigPart part_of(const Call& call) {
  DomainConfigPart part;
  if constexpr (Part != ConfigPart::All) part.group = call.path("group");
  if constexpr (Part == ConfigPart::Option) part.option = call.path("option");
  return part;
}

void write_option(JsonWriter& w, const DomainOption& option) {
  std::visit(
      [&](const auto& value) {
        if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>)
          w.null();
        else if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>)
          w.literal(fmt::format("{}", value));
        else
          w.value(value);
      },
      option);
}

/// {"config": {"ldap": {"url": …}}}; of one option {"config": {"url": …}}.
Response config_reply(int status, const DomainConfig& config, bool one_option = false) {
  JsonWriter w;
  w.open().key("config").open();
  for (const auto& [group, options] : config) {
    if (!one_option) w.key(group).open();
    for (const auto& [name, value] : options) {
      w.key(name);
      write_option(w, value);
    }
    if (!one_option) w.close();
  }
  w.close().close();
  return json_response(status, std::move(w).take());
}

Result<DomainOption> read_option(const std::string& where, const nlohmann::json& value) {
  if (value.is_string()) return DomainOption(value.get<std::string>());
  if (value.is_boolean()) return DomainOption(value.get<bool>());
  if (value.is_number_float()) return DomainOption(value.get<double>());
  const bool fits = !value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX;
  if (value.is_number_integer() && fits) return DomainOption(value.get<std::int64_t>());
  const bool texts = value.is_array() && std::all_of(value.begin(), value.end(),
                                                     [](const auto& t) { return t.is_string(); });
  if (texts) return DomainOption(value.get<std::vector<std::string>>());
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{} must be a text, a number, true, false or a list of texts", where));
}

Result<std::map<std::string, DomainOption>> read_options_of(const std::string& where,
                                                            const nlohmann::json& object) {
  if (!object.is_object())
    return fail(ErrorCode::InvalidArgument, fmt::format("{} must be an object", where));
  std::map<std::string, DomainOption> options;
  for (const auto& [name, value] : object.items()) {
    CLOUDOS_TRY(options[name], read_option(fmt::format("{}.{}", where, name), value));
  }
  return options;
}

/// What is sent for one option names no group: the path does.
Result<DomainConfig> read_config(Call& call, const DomainConfigPart& part) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("config"));
  DomainConfig config;
  if (!part.option.empty()) {
    CLOUDOS_TRY(config[part.group], read_options_of("config", *body));
    return config;
  }
  for (const auto& [group, options] : body->items()) {
    CLOUDOS_TRY(config[group], read_options_of(fmt::format("config.{}", group), options));
  }
  return config;
}

}  // namespace

Result<Response> replace_domain_config(Call& call) {
  CLOUDOS_TRY(const auto config, read_config(call, {}));
  CLOUDOS_TRY(const auto made, configs_of(call).replace(call.ctx, config_domain(call), config));
  return config_reply(made.was_set ? 200 : 201, made.config);
}

template <ConfigPart Part>
Result<Response> show_domain_config(Call& call) {
  CLOUDOS_TRY(const auto config,
              configs_of(call).get(call.ctx, config_domain(call), part_of<Part>(call)));
  return config_reply(200, config, Part == ConfigPart::Option);
}

template <ConfigPart Part>
Result<Response> update_domain_config(Call& call) {
  const auto part = part_of<Part>(call);
  CLOUDOS_TRY(const auto change, read_config(call, part));
  CLOUDOS_TRY(const auto config,
              configs_of(call).update(call.ctx, config_domain(call), part, change));
  return config_reply(200, config);
}

template <ConfigPart Part>
Result<Response> delete_domain_config(Call& call) {
  CLOUDOS_CHECK(configs_of(call).remove(call.ctx, config_domain(call), part_of<Part>(call)));
  return empty_response(204);
}

template <ConfigPart Part>
Result<Response> show_default_config(Call& call) {
  CLOUDOS_TRY(const auto config, configs_of(call).defaults(call.ctx, part_of<Part>(call)));
  return config_reply(200, config, Part == ConfigPart::Option);
}

#define CLOUDOS_CONFIG_PARTS(handler)                          \
  template Result<Response> handler<ConfigPart::All>(Call&);   \
  template Result<Response> handler<ConfigPart::Group>(Call&); \
  template Result<Response> handler<ConfigPart::Option>(Call&)
CLOUDOS_CONFIG_PARTS(show_domain_config);
CLOUDOS_CONFIG_PARTS(update_domain_config);
CLOUDOS_CONFIG_PARTS(delete_domain_config);
CLOUDOS_CONFIG_PARTS(show_default_config);
#undef CLOUDOS_CONFIG_PARTS

Result<Response> show_password_rules(Call& call) {
  CLOUDOS_TRY(const auto rules, configs_of(call).password_rules(call.ctx, config_domain(call)));
  return config_reply(200, rules);
}

Result<Response> show_password_rule(Call& call) {
  CLOUDOS_TRY(const auto rule,
              configs_of(call).password_rules(call.ctx, config_domain(call), call.path("option")));
  return config_reply(200, rule, true);
}

// ---- consumers of OAuth

namespace {

OAuthConsumers& consumers_of(const Call& call) {
  return call.cloud.identity().oauth_consumers();
}
OAuthConsumerId consumer_in(const Call& call) {
  return OAuthConsumerId{call.path("consumer_id")};
}

void write_consumer(JsonWriter& w, const OAuthConsumer& consumer, std::string_view service_url) {
  w.open().member("id", consumer.id).member_or_null("description", consumer.description);
  if (!consumer.secret.empty()) w.member("secret", consumer.secret);
  for (const auto& [name, json] : consumer.extra) w.key(name).literal(json);
  write_self(w, service_url, "OS-OAUTH1/consumers", consumer.id.value);
  w.close();
}

Result<void> refuse_secret(const Members& in) {
  if (!in.has("secret")) return Result<void>();
  return fail(ErrorCode::InvalidArgument, "consumer.secret is drawn, and cannot be chosen");
}

}  // namespace

Result<Response> create_consumer(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("consumer"));
  const Members in(*body, "consumer");
  CLOUDOS_CHECK(refuse_secret(in));
  OAuthConsumerCreate spec;
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  spec.description = description.value_or("");
  CLOUDOS_TRY(spec.extra, read_extra(*body, {"description"}));
  CLOUDOS_TRY(const auto made, consumers_of(call).create(call.ctx, spec));
  return one_reply("consumer", made, call, write_consumer, 201);
}

Result<Response> list_consumers(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"description"}));
  CLOUDOS_TRY(const auto found, consumers_of(call).list(call.ctx, filter));
  return list_reply("consumers", found, call, write_consumer, true);
}

Result<Response> show_consumer(Call& call) {
  CLOUDOS_TRY(const auto consumer, consumers_of(call).get(call.ctx, consumer_in(call)));
  return one_reply("consumer", consumer, call, write_consumer);
}

Result<Response> update_consumer(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("consumer"));
  const Members in(*body, "consumer");
  CLOUDOS_CHECK(refuse_secret(in));
  CLOUDOS_CHECK(read_unchanged(in, "id", consumer_in(call).value));
  OAuthConsumerUpdate with;
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  if (in.is_null("description")) with.description = "";
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, {"description"}));
  CLOUDOS_TRY(const auto consumer, consumers_of(call).update(call.ctx, consumer_in(call), with));
  return one_reply("consumer", consumer, call, write_consumer);
}

Result<Response> delete_consumer(Call& call) {
  CLOUDOS_CHECK(consumers_of(call).remove(call.ctx, consumer_in(call)));
  return empty_response(204);
}

}  // namespace cloudos::rest::identity_v3
