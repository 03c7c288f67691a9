#include "cloudos/result.hpp"
