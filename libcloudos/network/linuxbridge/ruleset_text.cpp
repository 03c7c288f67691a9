#include <fmt/format.h>

#include <algorithm>

#include "network/linuxbridge/ruleset.hpp"
#include "network/linuxbridge/side_by_side.hpp"

/// Rulesets as nftables text: the whole of one, or the way from one to another.
namespace cloudos::network::linuxbridge {
namespace {

std::string element_text(const std::string& key, const std::string& value) {
  return value.empty() ? key : key + " : " + value;
}

bool same_chain(const FilterTable::Chain& a, const FilterTable::Chain& b) {
  return a.hook == b.hook && (a.rules == b.rules || *a.rules == *b.rules);
}

bool same_set(const FilterTable::Set& a, const FilterTable::Set& b) {
  return a.type == b.type && a.elements == b.elements;
}

bool same_table(const FilterTable& a, const FilterTable& b) {
  bool same = a.counters == b.counters;
  ByName<FilterTable::Chain>::differences(
      a.chains, b.chains, [&](const std::string&, const auto* one, const auto* other) {
        same = same && one != nullptr && other != nullptr && same_chain(*one, *other);
      });
  ByName<FilterTable::Set>::differences(
      a.sets, b.sets, [&](const std::string&, const auto* one, const auto* other) {
        same = same && one != nullptr && other != nullptr && same_set(*one, *other);
      });
  return same;
}

void append_set(std::string& out, const std::string& name, const FilterTable::Set& set) {
  out += fmt::format("  {} {} {{\n    {};\n", set.map ? "map" : "set", name, set.type);
  if (!set.elements.empty()) {
    out += "    elements = { ";
    bool first = true;
    for (const auto& [key, value] : set.elements) {
      if (!first) out += ", ";
      out += element_text(key, value);
      first = false;
    }
    out += " };\n";
  }
  out += "  }\n";
}

void append_whole(std::string& out, const std::string& family, const std::string& name,
                  const FilterTable& table) {
  if (table.empty()) return;
  const std::string full = family + " " + name;
  // "add, delete, add": replaces the table whether it was there or not, all in one transaction.
  out += "add table " + full + "\ndelete table " + full + "\ntable " + full + " {\n";
  for (const auto& counter : table.counters) out += "  counter " + counter + " {\n  }\n";
  table.sets.each([&](const std::string& set, const auto& value) { append_set(out, set, value); });
  table.chains.each([&](const std::string& chain_name, const FilterTable::Chain& chain) {
    out += "  chain " + chain_name + " {\n";
    if (!chain.hook.empty()) out += "    " + chain.hook + "\n";
    for (const auto& rule : *chain.rules) out += "    " + rule + "\n";
    out += "  }\n";
  });
  out += "}\n";
}

void append_elements(std::string& out, std::string_view verb, const std::string& full,
                     const std::string& set, const std::vector<std::string>& elements) {
  if (elements.empty()) return;
  out += fmt::format("{} element {} {} {{ {} }}\n", verb, full, set, fmt::join(elements, ", "));
}

/// How many rules need not be written again, as new ones come behind all of the old.
std::size_t rules_that_stay(const FilterTable::Chain& old, const FilterTable::Chain& now) {
  const auto& had = *old.rules;
  const auto& has = *now.rules;
  const bool behind = had.size() < has.size() && std::equal(had.begin(), had.end(), has.begin());
  return behind ? had.size() : 0;
}

/// The way from one set to another: what is to go is `out`'s, what is to come `additions`'.
void append_set_difference(std::string& out, std::string& additions, const std::string& full,
                           const std::string& name, const FilterTable::Set* had,
                           const FilterTable::Set& has) {
  if (had == nullptr)
    out += fmt::format("add {} {} {} {{ {}; }}\n", has.map ? "map" : "set", full, name, has.type);
  std::vector<std::string> gone;
  std::vector<std::string> fresh;
  const Elements none;
  side_by_side(had == nullptr ? none : had->elements, has.elements,
               [&](const std::string& key, const std::string* was, const std::string* is) {
                 if (was != nullptr && is != nullptr && *was == *is) return;
                 if (was != nullptr) gone.push_back(element_text(key, *was));
                 if (is != nullptr) fresh.push_back(element_text(key, *is));
               });
  append_elements(out, "delete", full, name, gone);
  append_elements(additions, "add", full, name, fresh);
}

/// The order matters: what is referred to is added first and deleted last.
void append_difference(std::string& out, const std::string& full, const FilterTable& before,
                       const FilterTable& after) {
  std::string rules;
  std::string additions;
  std::string emptied;  // Chains that go, emptied first: they may refer to each other.
  std::string deleted;
  if (before.empty() && !after.empty()) out += "add table " + full + "\n";
  for (const auto& name : after.counters) {
    if (before.counters.count(name) == 0) out += "add counter " + full + " " + name + "\n";
  }
  ByName<FilterTable::Chain>::differences(
      before.chains, after.chains, [&](const std::string& name, const auto* had, const auto* has) {
        if (has == nullptr) {
          emptied += "flush chain " + full + " " + name + "\n";
          deleted += "delete chain " + full + " " + name + "\n";
          return;
        }
        if (had != nullptr && same_chain(*had, *has)) return;
        const std::size_t kept = had == nullptr ? 0 : rules_that_stay(*had, *has);
        if (had == nullptr) {
          out += "add chain " + full + " " + name;
          if (!has->hook.empty()) out += " { " + has->hook + " }";
          out += "\n";
        } else if (kept == 0) {
          rules += "flush chain " + full + " " + name + "\n";
        }
        for (std::size_t i = kept; i < has->rules->size(); ++i)
          rules += "add rule " + full + " " + name + " " + (*has->rules)[i] + "\n";
      });
  ByName<FilterTable::Set>::differences(
      before.sets, after.sets, [&](const std::string& name, const auto* had, const auto* has) {
        if (has == nullptr) deleted += "delete set " + full + " " + name + "\n";
        if (has == nullptr || (had != nullptr && had->elements == has->elements)) return;
        append_set_difference(out, additions, full, name, had, *has);
      });
  out += rules + additions + emptied + deleted;
  for (const auto& name : before.counters) {
    if (after.counters.count(name) == 0) out += "delete counter " + full + " " + name + "\n";
  }
}

}  // namespace

std::string render_whole(const Ruleset& rules) {
  std::string out;
  append_whole(out, "bridge", rules.table, rules.bridge);
  append_whole(out, "inet", rules.table, rules.inet);
  return out;
}

std::string render_difference(const Ruleset& before, const Ruleset& after) {
  std::string out;
  append_difference(out, "bridge " + after.table, before.bridge, after.bridge);
  append_difference(out, "inet " + after.table, before.inet, after.inet);
  return out;
}

std::string render_removal(const std::string& table) {
  std::string out;
  for (const std::string_view family : {"bridge", "inet"}) {
    out += fmt::format("add table {0} {1}\ndelete table {0} {1}\n", family, table);
  }
  return out;
}

void adopt(Ruleset& to, const Ruleset& from) {
  to.table = from.table;
  to.bridge = from.bridge;  // What it holds is shared.
  to.inet = from.inet;
}

bool same_rules(const Ruleset& a, const Ruleset& b) {
  return same_table(a.bridge, b.bridge) && same_table(a.inet, b.inet);
}

}  // namespace cloudos::network::linuxbridge
