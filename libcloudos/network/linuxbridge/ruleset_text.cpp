#include <fmt/format.h>

#include <algorithm>

#include "network/linuxbridge/ruleset.hpp"

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
  const auto chains = [](const auto& x, const auto& y) {
    return x.first == y.first && same_chain(x.second, y.second);
  };
  const auto sets = [](const auto& x, const auto& y) {
    return x.first == y.first && same_set(x.second, y.second);
  };
  return std::equal(a.chains.begin(), a.chains.end(), b.chains.begin(), b.chains.end(), chains) &&
         std::equal(a.sets.begin(), a.sets.end(), b.sets.begin(), b.sets.end(), sets) &&
         a.counters == b.counters;
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
  for (const auto& [set_name, set] : table.sets) append_set(out, set_name, set);
  for (const auto& [chain_name, chain] : table.chains) {
    out += "  chain " + chain_name + " {\n";
    if (!chain.hook.empty()) out += "    " + chain.hook + "\n";
    for (const auto& rule : *chain.rules) out += "    " + rule + "\n";
    out += "  }\n";
  }
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

void adopt_table(FilterTable& to, const FilterTable& from) {
  std::erase_if(to.chains, [&](const auto& c) { return from.chains.count(c.first) == 0; });
  std::erase_if(to.sets, [&](const auto& s) { return from.sets.count(s.first) == 0; });
  for (const auto& [name, chain] : from.chains) {
    auto& mine = to.chains[name];
    if (mine.hook != chain.hook || mine.rules != chain.rules) mine = chain;
  }
  for (const auto& [name, set] : from.sets) {
    auto& mine = to.sets[name];
    if (mine.map != set.map || !same_set(mine, set)) mine = set;
  }
  to.counters = from.counters;
}

/// The order matters: what is referred to is added first and deleted last.
void append_difference(std::string& out, const std::string& full, const FilterTable& before,
                       const FilterTable& after) {
  std::string rules;
  std::string additions;
  if (before.empty() && !after.empty()) out += "add table " + full + "\n";
  for (const auto& name : after.counters) {
    if (before.counters.count(name) == 0) out += "add counter " + full + " " + name + "\n";
  }
  for (const auto& [name, chain] : after.chains) {
    const auto old = before.chains.find(name);
    if (old != before.chains.end() && same_chain(old->second, chain)) continue;
    if (old == before.chains.end()) {
      out += "add chain " + full + " " + name;
      if (!chain.hook.empty()) out += " { " + chain.hook + " }";
      out += "\n";
    }
    std::size_t kept = 0;
    if (old != before.chains.end()) {
      kept = rules_that_stay(old->second, chain);
      if (kept == 0) rules += "flush chain " + full + " " + name + "\n";
    }
    for (std::size_t i = kept; i < chain.rules->size(); ++i)
      rules += "add rule " + full + " " + name + " " + (*chain.rules)[i] + "\n";
  }
  for (const auto& [name, set] : after.sets) {
    const auto old = before.sets.find(name);
    if (old == before.sets.end()) {
      out += fmt::format("add {} {} {} {{ {}; }}\n", set.map ? "map" : "set", full, name, set.type);
    }
    std::vector<std::string> gone;
    std::vector<std::string> fresh;
    const std::map<std::string, std::string> none;
    const auto& had = old == before.sets.end() ? none : old->second.elements;
    for (const auto& [key, value] : had) {
      const auto now = set.elements.find(key);
      if (now == set.elements.end() || now->second != value) {
        gone.push_back(element_text(key, value));
      }
    }
    for (const auto& [key, value] : set.elements) {
      const auto was = had.find(key);
      if (was == had.end() || was->second != value) fresh.push_back(element_text(key, value));
    }
    append_elements(out, "delete", full, name, gone);
    append_elements(additions, "add", full, name, fresh);
  }
  out += rules;
  out += additions;
  for (const auto& [name, chain] : before.chains) {  // Emptied first: they may refer to each other.
    if (after.chains.count(name) == 0) out += "flush chain " + full + " " + name + "\n";
  }
  for (const auto& [name, chain] : before.chains) {
    if (after.chains.count(name) == 0) out += "delete chain " + full + " " + name + "\n";
  }
  for (const auto& [name, set] : before.sets) {
    if (after.sets.count(name) == 0) out += "delete set " + full + " " + name + "\n";
  }
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
  to.tracked_at = from.tracked_at;
  adopt_table(to.bridge, from.bridge);
  adopt_table(to.inet, from.inet);
}

bool same_rules(const Ruleset& a, const Ruleset& b) {
  return same_table(a.bridge, b.bridge) && same_table(a.inet, b.inet);
}

}  // namespace cloudos::network::linuxbridge
