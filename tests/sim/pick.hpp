#pragma once
#include <vector>

#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

namespace cloudos::sim {

template <class T>
const T* any_of(SeededRandom& fate, const Result<std::vector<T>>& list) {
  if (!list || list->empty()) return nullptr;
  return &(*list)[fate.below(list->size())];
}

/// Looked at by nobody: a refusal, or a store that just died.
template <class T>
void ignore(const Result<T>& result) {
  (void)result.has_value();
}

}  // namespace cloudos::sim
