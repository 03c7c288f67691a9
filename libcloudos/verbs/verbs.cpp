#include "verbs/verbs.hpp"
