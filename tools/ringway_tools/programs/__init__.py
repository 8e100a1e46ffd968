"""Programs that run inside namespaces and guests, each started by its path; both test beds share them.

A program that needs another one of this folder imports it by its bare name, because Python looks beside the program
first. What tools/ itself imports is `control`, the client of the control socket.
"""
