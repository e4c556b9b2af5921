"""The columns of the tables of information_schema and performance_schema: those of TDengine 3.3 (systable.c)."""

from __future__ import annotations

from embedded import types
from embedded.types import VARCHAR, Field, Type

_COLUMNS = """
ins_dnodes: id INT, endpoint 134, vnodes SMALLINT, support_vnodes SMALLINT, status 10, create_time TIMESTAMP,
    reboot_time TIMESTAMP, note 256
ins_mnodes: id INT, endpoint 134, role 12, status 9, create_time TIMESTAMP, role_time TIMESTAMP
ins_qnodes: id INT, endpoint 134, create_time TIMESTAMP
ins_snodes: id INT, endpoint 134, create_time TIMESTAMP
ins_cluster: id BIGINT, name 40, uptime INT, create_time TIMESTAMP, version 10, expire_time TIMESTAMP
ins_databases: name 64, create_time TIMESTAMP, vgroups SMALLINT, ntables BIGINT, replica TINYINT, strict 4, duration
    10, keep 32, buffer INT, pagesize INT, pages INT, minrows INT, maxrows INT, comp TINYINT, precision 2, status 10,
    retentions 60, single_stable BOOL, cachemodel 11, cachesize INT, wal_level TINYINT, wal_fsync_period INT,
    wal_retention_period INT, wal_retention_size BIGINT, stt_trigger SMALLINT, table_prefix SMALLINT, table_suffix
    SMALLINT, tsdb_pagesize INT, keep_time_offset INT, s3_chunkpages INT, s3_keeplocal INT, s3_compact TINYINT,
    with_arbitrator TINYINT, encrypt_algorithm 16
ins_functions: name 64, comment 4095, aggregate INT, output_type 31, create_time TIMESTAMP, code_len INT, bufsize INT,
    func_language 31, func_body 65515, func_version INT
ins_indexes: index_name 192, db_name 64, table_name 192, vgroup_id INT, create_time TIMESTAMP, column_name 192,
    index_type 192
ins_stables: stable_name 192, db_name 64, create_time TIMESTAMP, columns INT, tags INT, last_update TIMESTAMP,
    table_comment 1024, watermark 64, max_delay 64, rollup 128
ins_tables: table_name 192, db_name 64, create_time TIMESTAMP, columns INT, stable_name 192, uid BIGINT, vgroup_id
    INT, ttl INT, table_comment 1024, type 21
ins_tags: table_name 192, db_name 64, stable_name 192, tag_name 64, tag_type 32, tag_value 16384
ins_columns: table_name 192, db_name 64, table_type 21, col_name 64, col_type 32, col_length INT, col_precision INT,
    col_scale INT, col_nullable INT
ins_users: name 24, super TINYINT, enable TINYINT, sysinfo TINYINT, createdb TINYINT, create_time TIMESTAMP,
    allowed_host 49152
ins_users_full: name 24, super TINYINT, enable TINYINT, sysinfo TINYINT, createdb TINYINT, encrypted_pass 32,
    allowed_host 49152
ins_grants: version 9, expire_time 19, service_time 19, expired 5, state 9, timeseries 21, dnodes 10, cpu_cores 10
ins_vgroups: vgroup_id INT, db_name 64, tables INT, v1_dnode SMALLINT, v1_status 9, v2_dnode SMALLINT, v2_status 9,
    v3_dnode SMALLINT, v3_status 9, v4_dnode SMALLINT, v4_status 9, cacheload INT, cacheelements INT, tsma TINYINT
ins_configs: name 32, value 64
ins_dnode_variables: dnode_id INT, name 32, value 4096, scope 8, category 8, info 64
ins_topics: topic_name 192, db_name 64, create_time TIMESTAMP, sql 2048, schema 65515, meta 4, type 8
ins_subscriptions: topic_name 205, consumer_group 193, vgroup_id INT, consumer_id 256, user 24, fqdn 128, offset 64,
    rows BIGINT
ins_streams: stream_name 192, db_name 64, create_time TIMESTAMP, stream_id 19, sql 2048, status 20, snode_leader INT,
    snode_replica INT, message 256
ins_vnodes: dnode_id INT, vgroup_id INT, db_name 64, status 9, role_time TIMESTAMP, start_time TIMESTAMP, restored
    BOOL
ins_user_privileges: user_name 24, privilege 10, db_name 65, table_name 193, condition 49152, notes 64
ins_views: view_name 192, db_name 64, effective_user 24, create_time TIMESTAMP, type 128, query_sql 2048, parameters
    2048, default_values 2048, target_table 192
ins_compacts: compact_id INT, db_name 64, start_time TIMESTAMP
ins_compact_details: compact_id INT, vgroup_id INT, dnode_id INT, number_fileset INT, finished INT, start_time
    TIMESTAMP
ins_grants_full: grant_name 32, display_name 256, expire 32, limits 512
ins_grants_logs: state 1536, active 512, machine 15600, active_info 512
ins_machines: id 41, dnode_num INT, machine 7552, version 32
ins_arbgroups: db_name 64, vgroup_id INT, v1_dnode SMALLINT, v2_dnode SMALLINT, is_sync SMALLINT, assigned_dnode
    SMALLINT, assigned_token 32, assigned_acked SMALLINT
ins_encryptions: dnode_id INT, key_status 12
ins_tsmas: tsma_name 192, db_name 64, table_name 192, target_db 64, target_stb 192, stream_name 64, create_time
    TIMESTAMP, interval 64, create_sql 2048, func_list 2048
ins_anodes: id INT, url 128, status 10, create_time TIMESTAMP, update_time TIMESTAMP
ins_anodes_full: id INT, type 24, algo 64
ins_bnodes: id INT, endpoint 134, create_time TIMESTAMP
perf_connections: conn_id INT UNSIGNED, user 24, app 24, pid INT UNSIGNED, end_point 134, login_time TIMESTAMP,
    last_access TIMESTAMP, user_app 24, user_ip 22
perf_queries: kill_id 26, query_id BIGINT UNSIGNED, conn_id INT UNSIGNED, app 24, pid INT, user 24, end_point 22,
    create_time TIMESTAMP, exec_usec BIGINT, stable_query BOOL, sub_query BOOL, sub_num INT, sub_status 1000, sql
    2048, user_app 24, user_ip 22
perf_consumers: consumer_id 32, consumer_group 193, client_id 256, user 24, fqdn 128, status 20, topics 205, up_time
    TIMESTAMP, subscribe_time TIMESTAMP, rebalance_time TIMESTAMP, parameters 192
perf_trans: id INT, create_time TIMESTAMP, stage 12, oper 14, db 64, stable 192, killable 10, failed_times INT,
    last_exec_time TIMESTAMP, last_action_info 511
perf_apps: app_id BIGINT UNSIGNED, ip 16, pid INT, name 24, start_time TIMESTAMP, insert_req BIGINT UNSIGNED,
    insert_row BIGINT UNSIGNED, insert_time BIGINT UNSIGNED, insert_bytes BIGINT UNSIGNED, fetch_bytes BIGINT
    UNSIGNED, query_time BIGINT UNSIGNED, slow_query BIGINT UNSIGNED, total_req BIGINT UNSIGNED, current_req BIGINT
    UNSIGNED, last_access TIMESTAMP
"""


def _fields(text: str) -> dict[str, tuple[Field, ...]]:
    """Tables and their fields; a number is the length of a VARCHAR."""
    tables = {}
    for line in text.replace("\n    ", " ").strip().splitlines():
        name, _, columns = line.partition(": ")
        fields = []
        for column in columns.split(", "):
            column_name, _, kind = column.partition(" ")
            type_ = Type(VARCHAR, int(kind)) if kind.isdigit() else Type.of(types.BY_NAME[kind])
            fields.append(Field(column_name, type_))
        tables[name] = tuple(fields)
    return tables


FIELDS = _fields(_COLUMNS)
"""The fields of each table, as SHOW and dashboards ask for them."""
