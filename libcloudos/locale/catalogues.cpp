#include <algorithm>
#include <mutex>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/locale.hpp"
#include "locale/built_in.hpp"
#include "locale/catalogue.hpp"
#include "locale/po.hpp"

namespace cloudos::locale {
namespace {

constexpr std::string_view kEnglish = "en";

/// What is left of a tag without its last part: "ko-kr" to "ko".
std::string_view shorter(std::string_view tag) {
  const auto dash = tag.rfind('-');
  return dash == tag.npos ? std::string_view() : tag.substr(0, dash);
}

/// "ko_KR.UTF-8@x" as a tag; empty: English.
std::string tag_of_posix(std::string_view name) {
  name = name.substr(0, name.find('@'));
  const auto dot = name.find('.');
  if (dot != name.npos) {
    const std::string set = fold_case(name.substr(dot + 1));
    if (set != "utf-8" && set != "utf8") return {};
    name = name.substr(0, dot);
  }
  std::string tag = fold_case(name);
  std::replace(tag.begin(), tag.end(), '_', '-');
  return tag == "c" || tag == "posix" ? std::string() : tag;
}

}  // namespace

struct Catalogues::Impl {
  struct Language {
    std::string tag, folded;
    std::string_view bytes;  // Of one that comes with the library.
    mutable std::once_flag once;
    mutable std::unique_ptr<const Catalogue> catalogue;  // By `once`, or from the beginning.
  };
  std::vector<std::unique_ptr<Language>> languages;

  const Language* find(std::string_view folded) const {
    for (const auto& language : languages)
      if (language->folded == folded) return language.get();
    return nullptr;
  }
  /// The one that serves a tag: itself, or what is left of it without its last parts.
  const Language* serving(std::string_view tag) const {
    for (; !tag.empty(); tag = shorter(tag))
      if (const Language* const language = find(tag)) return language;
    return nullptr;
  }
  Language& put(std::string_view tag) {
    const std::string folded = fold_case(tag);
    std::erase_if(languages, [&](const auto& known) { return known->folded == folded; });
    auto& made = languages.emplace_back(std::make_unique<Language>());
    made->tag = tag;
    made->folded = folded;
    return *made;
  }
  const Catalogue* read(const Language& language) const {
    std::call_once(language.once, [&] {
      if (language.catalogue || language.bytes.empty()) return;
      const auto entries = read_po(language.bytes);
      CLOUDOS_ASSERT(entries.has_value());  // A test reads what comes with the library.
      auto made = Catalogue::make(*entries);
      CLOUDOS_ASSERT(made.has_value());
      language.catalogue = std::make_unique<const Catalogue>(std::move(*made));
    });
    return language.catalogue.get();
  }
};

Catalogues::Catalogues() : impl_(std::make_unique<Impl>()) {
  impl_->put(kEnglish);
  for (const BuiltIn& built_in : built_in_catalogues())
    impl_->put(built_in.language).bytes = built_in.po;
}
Catalogues::~Catalogues() = default;

const Catalogues& Catalogues::built_in() {
  static const Catalogues kBuiltIn;  // Constant: the library's own texts.
  return kBuiltIn;
}

Result<void> Catalogues::add(std::string_view language, std::string po) {
  const auto tags = parse_accept_language(language);
  if (tags.size() != 1 || tags[0].tag != fold_case(language) || tags[0].tag == "*" ||
      tags[0].tag == kEnglish)
    return fail(ErrorCode::InvalidArgument, "a catalogue's language is a tag such as ko or pt-BR");
  CLOUDOS_TRY(const auto entries, read_po(po));
  CLOUDOS_TRY(auto made, Catalogue::make(entries));
  impl_->put(language).catalogue = std::make_unique<const Catalogue>(std::move(made));
  return Result<void>();
}

std::vector<std::string> Catalogues::languages() const {
  std::vector<std::string> tags;
  for (const auto& language : impl_->languages) tags.push_back(language->tag);
  return tags;
}

std::string_view Catalogues::choose(std::string_view accept_language) const {
  if (accept_language.empty()) return kEnglish;
  const auto ranges = parse_accept_language(accept_language);
  struct Choice {
    const Impl::Language* language = nullptr;
    unsigned weight = 0;
    std::size_t tag_size = 0;  // The closest range decides about a language.
    std::size_t order = 0;
  };
  std::vector<Choice> choices;
  std::optional<unsigned> others;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const LanguageRange& range = ranges[i];
    if (range.tag == "*") {
      if (!others) others = range.weight;
      continue;
    }
    const Impl::Language* const language = impl_->serving(range.tag);
    // Not wanting ko-KR says nothing about ko.
    if (!language || (range.weight == 0 && language->folded != range.tag)) continue;
    const auto known = std::find_if(choices.begin(), choices.end(),
                                    [&](const Choice& c) { return c.language == language; });
    if (known == choices.end())
      choices.push_back({language, range.weight, range.tag.size(), i});
    else if (range.weight > known->weight && known->weight > 0)
      known->weight = range.weight;
  }
  const Choice* best = nullptr;
  for (const Choice& choice : choices)
    if (choice.weight > 0 && (!best || choice.weight > best->weight)) best = &choice;
  // `*` is served by English, unless that was said to be unwanted.
  const Impl::Language* const english = impl_->find(kEnglish);
  const bool english_named = std::any_of(choices.begin(), choices.end(),
                                         [&](const Choice& c) { return c.language == english; });
  if (others && *others > 0 && (!best || *others > best->weight)) {
    if (!english_named) return kEnglish;
    for (const auto& language : impl_->languages) {
      const bool named = std::any_of(choices.begin(), choices.end(),
                                     [&](const Choice& c) { return c.language == language.get(); });
      if (!named) return language->tag;
    }
  }
  return best ? std::string_view(best->language->tag) : kEnglish;
}

std::string_view Catalogues::choose_for(
    const std::function<std::optional<std::string>(const std::string&)>& environment) const {
  const auto value = [&](const char* name) { return environment(name).value_or(std::string()); };
  std::string locale = value("LC_ALL");
  if (locale.empty()) locale = value("LC_MESSAGES");
  if (locale.empty()) locale = value("LANG");
  const std::string tag = tag_of_posix(locale);
  // As gettext has it: LANGUAGE counts only where there is a locale at all.
  if (tag.empty()) return kEnglish;
  const std::string list = value("LANGUAGE");
  for (const std::string_view wanted : split(list, ':')) {
    if (wanted.empty()) continue;
    if (const auto* const language = impl_->serving(tag_of_posix(wanted))) return language->tag;
  }
  const auto* const language = impl_->serving(tag);
  return language ? std::string_view(language->tag) : kEnglish;
}

std::string Catalogues::translate(std::string_view language, std::string_view message) const {
  const auto* const known = language == kEnglish ? nullptr : impl_->find(fold_case(language));
  const Catalogue* const catalogue = known ? impl_->read(*known) : nullptr;
  return catalogue ? catalogue->translate(message) : std::string(message);
}

}  // namespace cloudos::locale
