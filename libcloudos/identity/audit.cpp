#include "identity/impl.hpp"

namespace cloudos {

Result<Token> Identity::authenticate(const Login& login) { return log_in(login); }

}  // namespace cloudos
