# CUDA: found or switched off with a clear line; lacuna_add_cuda(target) adds the room cuda/.
# Compiled for sm_80 and sm_90, with PTX for newer GPUs. CUDART is linked statically and libcuda not
# at all, so that the binary starts on a machine without a driver.
set(LACUNA_CUDA_ARCHITECTURES "80-real;90-real;90-virtual" CACHE STRING
  "GPU architectures; 90-real alone builds in a third of the time")
set(LACUNA_WITH_CUDA OFF)
if(NOT LACUNA_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(LACUNA_WITH_CUDA ON)
  elseif(LACUNA_CUDA STREQUAL "ON")
    message(FATAL_ERROR "LACUNA_CUDA=ON, but no nvcc was found on PATH")
  else()
    message(STATUS "No nvcc found: building for the CPU only")
  endif()
endif()

if(LACUNA_WITH_CUDA)
  # CMake 3.25 does not know that nvcc 12 and later speak C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA_ARCHITECTURES ${LACUNA_CUDA_ARCHITECTURES})
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
  list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
  set(CMAKE_CUDA_STANDARD 20)
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION}: building the GPU code")
endif()

function(lacuna_add_cuda target)
  if(NOT LACUNA_WITH_CUDA)
    return()
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cuda/*.cu
    ${CMAKE_SOURCE_DIR}/cuda/*.cpp)
  list(REMOVE_ITEM sources ${LACUNA_GPU_PLANS})
  find_package(CUDAToolkit REQUIRED)
  # Its header alone: the library is loaded when several GPUs train (cuda/comm/nccl_library.cpp).
  find_path(LACUNA_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(LACUNA_NCCL_INCLUDE)
    message(STATUS "NCCL: ${LACUNA_NCCL_INCLUDE}/nccl.h")
  else()
    message(STATUS "No nccl.h found: building without NCCL, so that a run has one GPU at most")
    list(FILTER sources EXCLUDE REGEX "/cuda/comm/nccl")
  endif()
  # What only Hopper has (wgmma) is not in the code for later GPUs of its family: sm_90a.
  set(hopper_sources ${sources})
  list(FILTER hopper_sources INCLUDE REGEX "_sm90[.]cu$")
  list(REMOVE_ITEM sources ${hopper_sources})
  add_library(lacuna_cuda_sm90 OBJECT ${hopper_sources})
  set_target_properties(lacuna_cuda_sm90 PROPERTIES CUDA_ARCHITECTURES 90a-real)
  add_library(lacuna_cuda STATIC ${sources} $<TARGET_OBJECTS:lacuna_cuda_sm90>)
  if(LACUNA_NCCL_INCLUDE)
    target_include_directories(lacuna_cuda SYSTEM PRIVATE ${LACUNA_NCCL_INCLUDE})
    target_compile_definitions(lacuna_cuda PRIVATE LACUNA_WITH_NCCL)
    target_compile_definitions(${target} PUBLIC LACUNA_WITH_NCCL)
  endif()
  set(cuda_warnings -Xcompiler=-Wall,-Wextra,-Wno-missing-field-initializers
    $<$<BOOL:${LACUNA_WERROR}>:-Werror=all-warnings>)
  set(cpp_warnings -Wall -Wextra -Wno-missing-field-initializers
    $<$<BOOL:${LACUNA_WERROR}>:-Werror>)
  foreach(library lacuna_cuda lacuna_cuda_sm90)
    target_include_directories(${library} PUBLIC include PRIVATE cuda)
    target_compile_options(${library} PRIVATE
      "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;${cuda_warnings}>"
      "$<$<COMPILE_LANGUAGE:CXX>:${cpp_warnings}>")
    target_compile_definitions(${library} PRIVATE LACUNA_WITH_CUDA)
  endforeach()
  target_compile_definitions(${target} PRIVATE
    LACUNA_CUDA_TOOLKIT="${CMAKE_CUDA_COMPILER_VERSION}")
  target_compile_definitions(${target} PUBLIC LACUNA_WITH_CUDA)
  target_link_libraries(lacuna_cuda PUBLIC CUDA::cublasLt CUDA::cudart_static ${CMAKE_DL_LIBS})
  target_link_libraries(lacuna_cuda PRIVATE ${target})  # errors, texts: the two need each other
  target_link_libraries(${target} PRIVATE lacuna_cuda)
endfunction()
