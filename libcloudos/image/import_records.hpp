#pragma once
#include "cloudos/certificates.hpp"
#include "cloudos/image_imports.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// How imports and certificates are stored.
///   /image-task/<id>       ImageTask
///   /certificate/<id>      Certificate
namespace cloudos {

void fields(codec::FieldVisitor& v, ImageImport& i);
void fields(codec::FieldVisitor& v, ImageTask& t);
void keys(records::Keys& k, const ImageTask& t);

void fields(codec::FieldVisitor& v, Certificate& c);
void keys(records::Keys& k, const Certificate& c);

}  // namespace cloudos
