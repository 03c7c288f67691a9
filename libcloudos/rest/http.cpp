#include "rest/http.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace cloudos::rest {

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(fields_, [&](const auto& field) { return equals_ignore_case(field.first, name); });
  fields_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [field, value] : fields_)
    if (equals_ignore_case(field, name)) return value;
  return {};
}

bool Headers::has(std::string_view name) const {
  return std::any_of(fields_.begin(), fields_.end(),
                     [&](const auto& field) { return equals_ignore_case(field.first, name); });
}

}  // namespace cloudos::rest
