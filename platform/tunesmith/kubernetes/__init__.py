"""Ray on Kubernetes: the objects (pure functions), the client that applies them, and why something does not run.

config + pod templates  -->  placement, ray_cluster, ray_job, ray_service  -->  client  -->  API server
                                                                    reasons  <--  pods, events, status
"""
