# With CMAKE_UNITY_BUILD (presets release, ci, cuda and fuzz), a folder is compiled as one source: its headers are read
# once. So what the sources of a folder name for themselves alone differs. Without, each is compiled alone.
#
# lacuna_group_by_folder(TARGET EXCEPT REGEX): the sources of TARGET; folders that match stay apart.
set(LACUNA_BY_FOLDER ${CMAKE_UNITY_BUILD})
set(CMAKE_UNITY_BUILD OFF)  # of all other targets
function(lacuna_group_by_folder target except regex)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    get_filename_component(folder ${source} DIRECTORY)
    file(RELATIVE_PATH folder ${CMAKE_CURRENT_SOURCE_DIR} ${folder})
    if(source MATCHES "[.]cpp$" AND NOT folder MATCHES "${regex}")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${folder}")
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD "${LACUNA_BY_FOLDER}" UNITY_BUILD_MODE GROUP)
endfunction()
