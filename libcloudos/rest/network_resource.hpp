#pragma once
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloudos/network_tags.hpp"
#include "rest/network_api.hpp"

/// The five handlers that most resources of the Networking API have, made from a class R of static
/// members that knows one resource:
///
///   using Record = Network;
///   static constexpr std::string_view singular = "network", plural = "networks";
///   static Result<std::vector<Record>> list(Call& call, const NetworkListSpec& spec);
///   static Result<Record> show(Call& call);                       // the one its path names
///   static Result<Spec> decode(const Members& in);
///   static Result<std::vector<Record>> create(Call& call, const std::vector<Spec>& specs);
///   static Result<Change> decode_update(const Members& in);
///   static Result<Record> update(Call& call, const Change& change);
///   static Result<void> remove(Call& call);
///   using Extra = …;                                              // read once for a whole list
///   static Result<Extra> extra(const Call& call, const std::vector<Record>& records,
///                              const Wanted& fields);
///   static void write(Fields& out, const Call& call, const Record& record, const Extra& extra);
///
/// What a resource does not offer it leaves out, with the route.
namespace cloudos::rest::network_api {

using Wanted = std::set<std::string, std::less<>>;

/// What resources begin with that are written from their record alone.
template <class T>
struct PlainResource {
  using Record = T;
  struct Extra {};
  static Result<Extra> extra(const Call&, const std::vector<Record>&, const Wanted&) {
    return Extra();
  }
};

/// The members that the caller asked for with `fields`.
inline Wanted wanted_fields(const Call& call) {
  Wanted fields;
  for (const auto& [name, value] : call.query_all())
    if (name == "fields") fields.insert(value);
  return fields;
}

template <class R>
Result<void> write_records(JsonWriter& w, const Call& call,
                           const std::vector<typename R::Record>& records, const Wanted& fields) {
  CLOUDOS_TRY(const auto extra, R::extra(call, records, fields));
  w.key(R::plural).open_list();
  for (const auto& record : records) {
    w.open();
    Fields out(w, fields);
    R::write(out, call, record, extra);
    w.close();
  }
  w.close_list();
  return Result<void>();
}

template <class R>
Result<Response> record_response(const Call& call, int status, const typename R::Record& record,
                                 const Wanted& fields = {}) {
  CLOUDOS_TRY(const auto extra, R::extra(call, {record}, fields));
  JsonWriter w;
  w.open().key(R::singular).open();
  Fields out(w, fields);
  R::write(out, call, record, extra);
  w.close().close();
  return json_response(status, std::move(w).take());
}

template <class R>
Result<Response> list_resource(Call& call) {
  CLOUDOS_TRY(const Query query, decode_query(call));
  CLOUDOS_TRY(const auto records, R::list(call, query.spec));
  JsonWriter w;
  w.open();
  CLOUDOS_CHECK(write_records<R>(w, call, records, query.fields));
  const auto id = [&](bool last) -> std::string {
    if (records.empty()) return {};
    return last ? records.back().id.value : records.front().id.value;
  };
  write_links(w, call, R::plural, query, id(false), id(true), records.size());
  w.close();
  return json_response(200, std::move(w).take());
}

template <class R>
Result<Response> show_resource(Call& call) {
  CLOUDOS_TRY(const auto record, R::show(call));
  return record_response<R>(call, 200, record, wanted_fields(call));
}

/// {"port": {…}} makes one, {"ports": [{…}, …]} all of them or none.
template <class R>
using SpecOf = typename decltype(R::decode(std::declval<const Members&>()))::value_type;

template <class R>
Result<std::vector<SpecOf<R>>> decode_specs(Call& call, bool& bulk) {
  using Spec = SpecOf<R>;
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const auto many = body->is_object() ? body->find(R::plural) : body->end();
  bulk = body->is_object() && many != body->end();
  std::vector<Spec> specs;
  if (bulk) {
    if (!many->is_array() || many->empty())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} must be a list that is not empty", R::plural));
    for (const nlohmann::json& one : *many) {
      // Each may stand in its own envelope, as some clients send it.
      const bool wrapped = one.is_object() && one.size() == 1 && one.contains(R::singular) &&
                           one.begin()->is_object();
      const nlohmann::json& element = wrapped ? *one.begin() : one;
      CLOUDOS_TRY(Spec spec, R::decode(Members(element, R::singular)));
      specs.push_back(std::move(spec));
    }
  } else {
    CLOUDOS_TRY(const nlohmann::json* object, call.json_object(R::singular));
    CLOUDOS_TRY(Spec spec, R::decode(Members(*object, R::singular)));
    specs.push_back(std::move(spec));
  }
  return specs;
}

template <class R>
Result<Response> create_resource(Call& call) {
  bool bulk = false;
  CLOUDOS_TRY(const auto specs, decode_specs<R>(call, bulk));
  CLOUDOS_TRY(const auto made, R::create(call, specs));
  if (!bulk) return record_response<R>(call, 201, made.front());
  JsonWriter w;
  w.open();
  CLOUDOS_CHECK(write_records<R>(w, call, made, {}));
  w.close();
  return json_response(201, std::move(w).take());
}

/// Runs `change` under the caller's If-Match ("revision_number=7"), if there is one: 412 when the
/// record has another revision.
Result<Response> if_matches(Call& call, std::string_view kind,
                            const std::function<Result<Response>()>& change);

template <class R>
Result<Response> update_resource(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object(R::singular));
  CLOUDOS_TRY(const auto change, R::decode_update(Members(*object, R::singular)));
  return if_matches(call, R::Record::kKind, [&]() -> Result<Response> {
    CLOUDOS_TRY(const auto record, R::update(call, change));
    return record_response<R>(call, 200, record);
  });
}

template <class R>
Result<Response> remove_resource(Call& call) {
  return if_matches(call, R::Record::kKind, [&]() -> Result<Response> {
    CLOUDOS_CHECK(R::remove(call));
    return empty_response(204);
  });
}

/// What is wrong with the body of a creation by itself.
template <class R>
Result<void> check_create(Call& call) {
  bool bulk = false;
  CLOUDOS_CHECK(decode_specs<R>(call, bulk));
  return Result<void>();
}

constexpr Route network_route(std::string_view method, std::string_view pattern, Handler handler,
                              std::string_view policy) {
  return {method, pattern, handler, policy, Service::Network,
          method == "GET" ? RouteClass::Inline : RouteClass::Commits, true};
}
/// A route that policies keep for few: whoever sends it a bad body hears of that first.
constexpr Route network_route(std::string_view method, std::string_view pattern, Handler handler,
                              std::string_view policy, Result<void> (*check_body)(Call& call)) {
  Route route = network_route(method, pattern, handler, policy);
  route.check_body = check_body;
  return route;
}

}  // namespace cloudos::rest::network_api
