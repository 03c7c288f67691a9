#include "verbs/verbs.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace {

constexpr ServicePath kServicePaths[] = {
    {"identity", "/identity/v3"}, {"image", "/image/v2"}, {"network", "/network/v2.0"},
    {"compute", "/compute/v2.1"}, {"tasks", "/tasks/v1"}, {"audit", "/audit/v1"},
};

/// How many changes make one text of the other; a swap of neighbours is one (Damerau, restricted).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

std::vector<Verb> sorted_verbs() {
  std::vector<Verb> verbs;
  for (const auto part : {identity_verbs(), access_verbs(), registry_verbs(), credential_verbs(),
                          delegation_verbs(), image_verbs(), import_verbs(), metadef_verbs(),
                          network_verbs(), layer3_verbs(), netpolicy_verbs(), netparts_verbs(),
                          segment_verbs(), trace_verbs(), compute_verbs(), host_verbs(),
                          task_verbs(), audit_verbs()})
    verbs.insert(verbs.end(), part.begin(), part.end());
  std::sort(verbs.begin(), verbs.end(),
            [](const Verb& a, const Verb& b) { return a.name < b.name; });
  return verbs;
}

}  // namespace

std::span<const Verb> all() {
  static const std::vector<Verb> kVerbs = sorted_verbs();
  return kVerbs;
}

const Verb* find(std::string_view name) {
  const auto verbs = all();
  const auto at = std::lower_bound(verbs.begin(), verbs.end(), name,
                                   [](const Verb& v, std::string_view n) { return v.name < n; });
  return at != verbs.end() && at->name == name ? &*at : nullptr;
}

std::string_view nearest_of(std::string_view name, std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 64;  // Longer ones are no typos.
  if (name.empty() || name.size() > kLongest) return {};
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const std::string_view each : known) {
    const std::size_t distance = edit_distance(name, each);
    if (distance < least) {
      least = distance;
      best = each;
    }
  }
  return best;
}

std::string_view nearest(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Verb& verb : all()) names.push_back(verb.name);
  return nearest_of(name, names);
}

bool in_path(const Verb& verb, std::string_view parameter) {
  std::string_view path = verb.path;
  for (auto open = path.find('{'); open != path.npos; open = path.find('{')) {
    const auto close = path.find('}', open);
    if (path.substr(open + 1, close - open - 1) == parameter) return true;
    path.remove_prefix(close + 1);
  }
  return false;
}

bool makes_query(const Verb& verb) {
  return verb.method == "GET" || verb.method == "HEAD" || verb.method == "DELETE";
}

std::span<const Noun> nouns() {
  static const std::vector<Noun> kNouns = [] {
    std::vector<Noun> nouns;
    for (const auto part :
         {identity_nouns(), registry_nouns(), credential_nouns(), delegation_nouns(), image_nouns(),
          import_nouns(), metadef_nouns(), network_nouns(), layer3_nouns(), netpolicy_nouns(),
          netparts_nouns(), segment_nouns(), trace_nouns(), compute_nouns(), task_nouns(),
          audit_nouns()})
      nouns.insert(nouns.end(), part.begin(), part.end());
    return nouns;
  }();
  return kNouns;
}

const Noun* find_noun(std::string_view name) {
  for (const Noun& noun : nouns())
    if (noun.name == name) return &noun;
  return nullptr;
}

const Noun& noun_of(const Verb& verb) {
  const Noun* noun = find_noun(verb.name.substr(0, verb.name.find('.')));
  CLOUDOS_ASSERT(noun != nullptr);  // A test holds every verb against the nouns.
  return *noun;
}

std::span<const Command> commands() {
  static const std::vector<Command> kCommands = [] {
    std::vector<Command> commands;
    for (const Verb& verb : all())
      if (!verb.words.empty()) commands.push_back({verb.words, &verb, verb.help, verb.parameters});
    for (const Face& face : faces())
      commands.push_back({face.words, find(face.verb), face.help, face.parameters});
    std::stable_sort(commands.begin(), commands.end(),
                     [](const Command& a, const Command& b) { return a.words < b.words; });
    return commands;
  }();
  return kCommands;
}

std::span<const ServicePath> service_paths() {
  return kServicePaths;
}

}  // namespace cloudos::verbs
