# Which services the library has. What is left out is neither compiled nor linked, nor looked for:
# its rooms, its drivers, their libraries. Each room above the services has, per service, the files
# that know it, and without/<service>.cpp for a build that has none.
set(CLOUDOS_SERVICES "identity;images;networks;compute" CACHE STRING
    "The services of the library: identity, images, networks, compute (which needs the others)")

foreach(service ${CLOUDOS_SERVICES})
  if(NOT service MATCHES "^(identity|images|networks|compute)$")
    message(FATAL_ERROR "CLOUDOS_SERVICES names '${service}': there are identity, images, networks "
                        "and compute")
  endif()
endforeach()
if(NOT "identity" IN_LIST CLOUDOS_SERVICES)
  message(FATAL_ERROR "CLOUDOS_SERVICES is '${CLOUDOS_SERVICES}': every cloud has identity, name it "
                      "too")
endif()
foreach(service images networks compute)
  set(CLOUDOS_HAS_${service} OFF)
  if(service IN_LIST CLOUDOS_SERVICES)
    set(CLOUDOS_HAS_${service} ON)
  endif()
endforeach()
if(CLOUDOS_HAS_compute AND NOT (CLOUDOS_HAS_images AND CLOUDOS_HAS_networks))
  message(FATAL_ERROR "CLOUDOS_SERVICES is '${CLOUDOS_SERVICES}': compute boots servers from images "
                      "and plugs them into networks; name both, or leave compute out")
endif()
set(CLOUDOS_HAS_ALL ${CLOUDOS_HAS_compute})

# cloudos_without(cloud OUT): a pattern of the files of a room that this build leaves out: either a
# service's own, or what stands for it.
function(cloudos_without room out)
  set(own_cloud_images "/cloud/images")
  set(own_cloud_networks "/cloud/networks[a-z0-9_]*")
  set(own_cloud_compute "/cloud/(compute|host_names)")
  set(own_maintenance_images "/maintenance/records_image")
  set(own_maintenance_networks "/maintenance/records_network")
  set(own_maintenance_compute "/maintenance/records_compute")
  set(own_rest_images "/rest/(image|metadef)[a-z0-9_]*|/rest/certificates")
  set(own_rest_networks "/rest/network[a-z0-9_]*")
  set(own_rest_compute "/rest/compute[a-z0-9_]*")
  set(patterns)
  foreach(service images networks compute)
    if(CLOUDOS_HAS_${service})
      string(REGEX REPLACE "s$" "" one ${service})
      list(APPEND patterns "/without/${one}s?")
    else()
      list(APPEND patterns "${own_${room}_${service}}")
    endif()
  endforeach()
  list(JOIN patterns "|" pattern)
  set(${out} "(${pattern})[.]cpp$" PARENT_SCOPE)
endfunction()
