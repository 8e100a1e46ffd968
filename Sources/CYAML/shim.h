// libyaml as the distribution ships it.
#include <yaml.h>
