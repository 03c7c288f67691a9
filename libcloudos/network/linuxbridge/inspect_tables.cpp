#include "network/linuxbridge/inspect_tables.hpp"

#include <fmt/format.h>
#include <nftables/libnftables.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/trace_rules.hpp"

namespace cloudos::network::linuxbridge {
namespace {

using tracing::tell;

/// "counter packets 7 bytes 420 drop" as "counter drop" and 7.
LiveTables::Rule read_listed_rule(std::string_view line) {
  LiveTables::Rule rule;
  rule.text = std::string(trim(line));
  const std::string mark = "counter packets ";
  const auto at = rule.text.find(mark);
  if (at == std::string::npos) return rule;
  const auto words = split(std::string_view(rule.text).substr(at + mark.size()), ' ');
  if (words.size() < 3) return rule;
  rule.packets = parse_unsigned(words[0]).value_or(0);
  const std::size_t gone = std::string(" packets ").size() + words[0].size() +
                           std::string(" bytes ").size() + words[2].size();
  rule.text.erase(at + std::string("counter").size(), gone);
  return rule;
}

std::vector<LiveTables::Rule> read_listed_chain(const std::string& listing) {
  std::vector<LiveTables::Rule> rules;
  bool inside = false;
  for (const auto line : split(listing, '\n')) {
    const auto bare = trim(line);
    if (!inside) {
      inside = bare.starts_with("chain ");
      continue;
    }
    if (bare == "}") break;
    if (bare.starts_with("type ") && bare.find(" hook ") != std::string_view::npos) continue;
    if (!bare.empty()) rules.push_back(read_listed_rule(bare));
  }
  return rules;
}

bool contains_text(const std::vector<LiveTables::Rule>& rules, const std::string& text) {
  return std::any_of(rules.begin(), rules.end(),
                     [&](const auto& rule) { return rule.text == text; });
}

bool is_drop(const LiveTables::Rule& rule) {
  return rule.text.find("drop") != std::string::npos ||
         rule.text.find("reject") != std::string::npos;
}

}  // namespace

void LiveTables::Free::operator()(nft_ctx* context) const {
  nft_ctx_free(context);
}

Result<LiveTables> LiveTables::open() {
  std::unique_ptr<nft_ctx, Free> context(nft_ctx_new(NFT_CTX_DEFAULT));
  if (!context) return fail(ErrorCode::Unavailable, "cannot open nftables");
  nft_ctx_buffer_output(context.get());
  nft_ctx_buffer_error(context.get());
  nft_ctx_output_set_flags(context.get(), NFT_CTX_OUTPUT_NUMERIC_ALL);
  return LiveTables(std::move(context));
}

std::optional<std::string> LiveTables::ask(const std::string& command) {
  const int failed = nft_run_cmd_from_buffer(context_.get(), command.c_str());
  const char* text = nft_ctx_get_output_buffer(context_.get());
  std::string out = text == nullptr ? "" : text;
  nft_ctx_get_error_buffer(context_.get());  // Reading empties it.
  return failed == 0 ? std::optional(std::move(out)) : std::nullopt;
}

bool LiveTables::has_table(const std::string& family, const std::string& table) {
  const auto tables = ask("list tables " + family);
  return tables && tables->find("table " + family + " " + table + "\n") != std::string::npos;
}

std::optional<std::vector<LiveTables::Rule>> LiveTables::chain(const std::string& family,
                                                               const std::string& table,
                                                               const std::string& name) {
  const auto listing = ask(fmt::format("list chain {} {} {}", family, table, name));
  return listing ? std::optional(read_listed_chain(*listing)) : std::nullopt;
}

std::optional<std::string> LiveTables::element(const std::string& family, const std::string& table,
                                               const std::string& set, const std::string& key) {
  return ask(fmt::format("get element {} {} {} {{ {} }}", family, table, set, key));
}

std::vector<LiveTables::Stranger> LiveTables::strangers(const std::string& own_table) {
  std::vector<Stranger> found;
  const std::string listing = ask("list chains").value_or("");
  std::string table;
  std::string chain;
  for (const auto line : split(listing, '\n')) {
    const auto bare = trim(line);
    const auto words = split(bare, ' ');
    if (bare.starts_with("table ") && words.size() >= 3)
      table = fmt::format("{} {}", words[1], words[2]);
    if (bare.starts_with("chain ") && words.size() >= 2) chain = words[1];
    const bool forward = bare.find("hook forward") != std::string_view::npos;
    const bool drops = bare.find("policy drop") != std::string_view::npos;
    if (!forward || !drops || table.ends_with(" " + own_table)) continue;
    const auto rules = ask(fmt::format("list chain {} {}", table, chain));
    found.push_back({fmt::format("table {}, chain {}", table, chain),
                     rules && read_listed_chain(*rules).empty()});
  }
  return found;
}

Result<void> LiveTables::run(const std::string& commands) {
  const int failed = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
  nft_ctx_get_output_buffer(context_.get());
  const char* complaint = nft_ctx_get_error_buffer(context_.get());
  if (failed == 0) return Result<void>();
  return fail(ErrorCode::Unavailable, "nftables does not take the rules of a trace",
              complaint == nullptr ? "" : complaint);
}

Result<std::map<ChainName, std::vector<LiveTables::Rule>>> printed_chains(
    const Ruleset& rules, const std::vector<ChainName>& chains) {
  std::map<ChainName, std::vector<LiveTables::Rule>> printed;
  CLOUDOS_CHECK(on_own_thread([&]() -> Result<void> {
    if (::unshare(CLONE_NEWNET) != 0)
      return fail(ErrorCode::Unavailable, "cannot make a network namespace", std::strerror(errno));
    CLOUDOS_TRY(auto tables, LiveTables::open());
    CLOUDOS_CHECK(tables.run(render_whole(rules)));
    for (const auto& [family, name] : chains) {
      if (auto listed = tables.chain(family, rules.table, name))
        printed[{family, name}] = std::move(*listed);
    }
    return Result<void>();
  }));
  return printed;
}

// ---- comparing ----------------------------------------------------------------------------------

void FilterComparison::chain(std::string_view family, const std::string& name, bool opens) {
  wishes_.push_back({{std::string(family), name}, opens, false});
}

void FilterComparison::any_rule(std::string_view family, const std::string& name) {
  wishes_.push_back({{std::string(family), name}, false, true});
}

void FilterComparison::element(std::string_view family, const std::string& set,
                               const std::string& key, bool opens) {
  const FilterTable& table = family == "bridge" ? wanted_.bridge : wanted_.inet;
  const auto* wanted_set = table.sets.find(set);
  if (wanted_set == nullptr) return;
  const auto wanted = wanted_set->elements.find(key);
  if (wanted == wanted_set->elements.end()) return;
  const auto found = live_.element(std::string(family), wanted_.table, set, key);
  if (found && found->find(wanted->second) != std::string::npos) return;
  const std::string where = fmt::format("{} {}, {} {}: {}", family, wanted_.table,
                                        wanted_set->map ? "map" : "set", set, key);
  if (opens) {
    finding_.fault(tell("The packet filter does not know the port's device: what it should drop "
                        "passes."),
                   where + " is missing", false);
  } else {
    finding_.fault(tell("An entry of the packet filter that this packet needs is missing."),
                   where + (found ? " is another's" : " is missing"));
  }
}

void FilterComparison::compare(const Wish& wish, const std::vector<LiveTables::Rule>& wanted) {
  const auto& [family, name] = wish.name;
  const std::string where = fmt::format("{} {}, chain {}", family, wanted_.table, name);
  const auto live = live_.chain(family, wanted_.table, name);
  const auto lost = [&](const std::string& detail) {
    finding_.fault(wish.opens ? tell("Rules of the packet filter are missing: what they should "
                                     "drop passes.")
                              : tell("A rule of the packet filter that this packet needs is "
                                     "missing."),
                   where + detail, !wish.opens);
  };
  if (!live) return lost(" is not there");
  if (wish.any) {
    const bool any = std::any_of(wanted.begin(), wanted.end(),
                                 [&](const auto& rule) { return contains_text(*live, rule.text); });
    if (!any && !wanted.empty()) lost(fmt::format(": rule \"{}\" is missing", wanted[0].text));
    return;
  }
  for (const auto& rule : *live) {
    if (rule.packets && is_drop(rule))
      finding_.dropped = finding_.dropped.value_or(0) + *rule.packets;
    if (rule.packets && rule.text == "counter") finding_.packets = *rule.packets;
    if (!contains_text(wanted, rule.text))
      finding_.fault(tell("Somebody added a rule to the packet filter."),
                     fmt::format("{}: \"{}\"", where, rule.text), is_drop(rule));
  }
  if (live->empty() && !wanted.empty()) return lost(" is empty");
  for (const auto& rule : wanted)
    if (!contains_text(*live, rule.text))
      return lost(fmt::format(": rule \"{}\" is missing", rule.text));
}

Result<void> FilterComparison::finish() {
  std::vector<ChainName> names;
  for (const Wish& wish : wishes_) names.push_back(wish.name);
  CLOUDOS_TRY(const auto printed, printed_chains(wanted_, names));
  for (const Wish& wish : wishes_) {
    const auto wanted = printed.find(wish.name);
    if (wanted != printed.end()) compare(wish, wanted->second);
  }
  return Result<void>();
}

}  // namespace cloudos::network::linuxbridge
