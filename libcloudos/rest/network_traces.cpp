#include "base/text.hpp"
#include "cloudos/locale.hpp"
#include "cloudos/network_trace.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

// The way of a packet: an extension of this cloud's own.
namespace cloudos::rest::network_api {
namespace {

/// Sentences in the language the caller asks for.
class TraceSpeech {
 public:
  explicit TraceSpeech(const Request& request)
      : catalogues_(request.catalogues ? *request.catalogues : locale::Catalogues::built_in()),
        language_(catalogues_.choose(request.headers.get("Accept-Language"))) {}
  std::string operator()(const std::string& text) const {
    return catalogues_.translate(language_, text);
  }
  std::string_view language() const { return language_; }

 private:
  const locale::Catalogues& catalogues_;
  std::string_view language_;
};

Result<TraceSpec> decode_trace(const Call& call) {
  TraceSpec spec;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "from") {
      spec.from = value;
    } else if (name == "to") {
      spec.to = value;
    } else if (name == "protocol") {
      spec.protocol = value;
    } else if (name == "source") {
      spec.source = value;
    } else if (name == "source_mac") {
      spec.source_mac = value;
    } else if (name == "port") {
      const auto number = parse_unsigned(value);
      if (!number || *number > 65535)
        return fail(ErrorCode::InvalidArgument, "port must be a number up to 65535");
      spec.port = static_cast<std::int64_t>(*number);
    } else {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a trace has no parameter {}", name.substr(0, 64)));
    }
  }
  return spec;
}

void write_hop(JsonWriter& w, const TraceHop& hop, const TraceSpeech& speech) {
  w.open().member("place", hop.place).member("state", name_of(hop.state));
  w.member("text", speech(hop.text));
  w.member_or_null("remedy", hop.remedy.empty() ? "" : speech(hop.remedy));
  w.member_or_null("packet", hop.packet);
  w.member_or_null("resource_type", hop.resource).member_or_null("resource_id", hop.id);
  for (const auto& [name, text] : {std::pair{"host", &hop.host}, std::pair{"device", &hop.device},
                                   std::pair{"detail", &hop.detail}})
    if (!text->empty()) w.member(name, *text);
  for (const auto& [name, count] :
       {std::pair{"packets", &hop.packets}, std::pair{"dropped", &hop.dropped},
        std::pair{"connections", &hop.connections}})
    if (*count) w.member(name, **count);
  w.close();
}

Result<Response> trace_packet(Call& call) {
  CLOUDOS_TRY(const TraceSpec spec, decode_trace(call));
  CLOUDOS_TRY(const NetworkTrace trace, call.cloud.networks().traces().trace(call.ctx, spec));
  const TraceSpeech speech(call.request);
  JsonWriter w;
  w.open().key("network_trace").open();
  w.member("delivered", trace.delivered).member("certain", trace.certain);
  w.member("summary", speech(trace.summary));
  w.member_or_null("remedy", trace.remedy.empty() ? "" : speech(trace.remedy));
  w.key("hops").open_list();
  for (const TraceHop& hop : trace.hops) write_hop(w, hop, speech);
  w.close_list().close().close();
  Response response = json_response(200, std::move(w).take());
  if (!call.request.headers.get("Accept-Language").empty())
    response.headers.set("Content-Language", std::string(speech.language()));
  return response;
}

// It asks hosts, which may take their time: not on the thread that all requests share.
constexpr Route kTraceRoutes[] = {
    {"GET", "/network/v2.0/network-traces", trace_packet, "get_network_trace", Service::Network,
     RouteClass::Streams, true},
};

}  // namespace

std::span<const Route> trace_routes() {
  return kTraceRoutes;
}

}  // namespace cloudos::rest::network_api
