"""The catalogue with its life"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
import models.base

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

ID = {'sqlite': 'INTEGER', 'postgresql': 'BIGINT'}
SERVICE_CLASSES = (
    'policy', 'legal', 'property', 'training', 'education', 'employment', 'insurance', 'health', 'elderly', 'welfare',
    'housing', 'culture', 'disabled', 'environment', 'other', 'intermediary',
)
COLUMNS = {
    'item': ('service_class', 'materials', 'secret', 'long_handled', 'basis_due', 'online_depth'),
    'catalogue_item': (
        'service_class', 'materials', 'secret', 'source', 'department_id', 'in_force_from', 'ended_on',
    ),
}


def among(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


ROLES = ('administrator', 'management', 'clerk', 'approver', 'auditor')
# (table, constraint, as it was, as it is)
RULES = (
    ('catalogue_item', 'cataloguestate', among('state', ('in_force', 'cancelled')),
     among('state', ('draft', 'in_force', 'cancelled'))),
    ('item', 'itemstate', among('state', ('draft', 'in_force', 'cancelled')),
     among('state', ('draft', 'in_force', 'cancelled', 'devolved'))),
    ('saved_view', 'role', among('shared_with', ROLES), among('shared_with', (*ROLES, 'reform_lead'))),
    ('item', 'five_attributes',
     "origin <> 'ours' OR (basic_code IS NOT NULL AND legal_basis_id IS NOT NULL AND level IS NOT NULL)",
     "origin <> 'ours' OR (basic_code IS NOT NULL AND level IS NOT NULL AND"
     " (legal_basis_id IS NOT NULL OR (item_type = '20' AND basis_due IS NOT NULL)))"),
)


def checked(table: str, column: str, name: str, values: tuple[str, ...]) -> str:
    return f'CONSTRAINT ck_{table}_{name} CHECK ({among(column, values)})'


def chosen(table: str, column: str, name: str, values: tuple[str, ...]) -> str:
    return f'VARCHAR(40) {checked(table, column, name, values)}'


def add(table: str, column: str, declared: str) -> None:
    """In plain SQL: a table that others refer to cannot be copied and renamed on SQLite while keys are held, and
    ALTER TABLE leaves a column's own CHECK out."""
    op.execute(f'ALTER TABLE {table} ADD COLUMN {column} {declared}')


def exchange(table: str, name: str, old: str, new: str) -> None:
    """Another rule under the same name. SQLite knows no such ALTER; its documentation ("Making Other Kinds Of Table
    Schema Changes") edits the stored statement where no row on the disk changes by it."""
    connection = op.get_bind()
    if connection.dialect.name != 'sqlite':
        op.execute(f'ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}')
        op.execute(f'ALTER TABLE {table} ADD CONSTRAINT ck_{table}_{name} CHECK ({new})')
        return
    told = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :table")
    stored = connection.execute(told, {'table': table}).scalar_one()
    if stored.count(f'CHECK ({old})') != 1:
        raise RuntimeError(f'{table} has no rule {name} as it was')
    version = connection.execute(sa.text('PRAGMA schema_version')).scalar_one()
    connection.execute(sa.text('PRAGMA writable_schema = ON'))
    connection.execute(
        sa.text("UPDATE sqlite_master SET sql = :sql WHERE type = 'table' AND name = :table"),
        {'sql': stored.replace(f'CHECK ({old})', f'CHECK ({new})'), 'table': table},
    )
    connection.execute(sa.text(f'PRAGMA schema_version = {version + 1}'))
    connection.execute(sa.text('PRAGMA writable_schema = OFF'))


def upgrade() -> None:
    op.create_table('service_list',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('source', sa.String(length=200), nullable=True),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_list')),
    sa.UniqueConstraint('name', name=op.f('uq_service_list_name')),
    sqlite_autoincrement=True
    )
    op.create_table('change',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('subject_type', sa.String(length=40), nullable=False),
    sa.Column('subject_id', sa.BigInteger(), nullable=False),
    sa.Column('subject_label', sa.String(length=300), nullable=False),
    sa.Column('kind', sa.Enum('set_up', 'cancel', 'devolve', 'name', 'type', 'code', 'basics', name='changekind', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('changes', sa.JSON(none_as_null=True), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('superior_document', sa.String(length=200), nullable=True),
    sa.Column('successor_id', models.base.Identity, nullable=True),
    sa.Column('reconciled', sa.String(length=500), nullable=True),
    sa.Column('department_id', models.base.Identity, nullable=True),
    sa.Column('proposed_by_id', sa.Integer(), nullable=True),
    sa.Column('reviewed_by_id', sa.Integer(), nullable=True),
    sa.Column('reviewed_at', models.base.Moment(), nullable=True),
    sa.Column('opinion', sa.String(length=1000), nullable=True),
    sa.Column('filing_number', sa.String(length=100), nullable=True),
    sa.Column('filed_on', sa.Date(), nullable=True),
    sa.Column('effective_on', sa.Date(), nullable=True),
    sa.Column('in_effect_at', models.base.Moment(), nullable=True),
    sa.Column('hindrance', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('state', sa.Enum('draft', 'submitted', 'agreed', 'filed', 'in_effect', 'returned', 'withdrawn', 'blocked', name='changestate', native_enum=False, create_constraint=True, length=40), nullable=False),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint("state NOT IN ('filed', 'in_effect') OR (filing_number IS NOT NULL AND filed_on IS NOT NULL AND effective_on IS NOT NULL)", name=op.f('ck_change_filed')),
    sa.CheckConstraint('effective_on IS NULL OR filed_on IS NULL OR effective_on >= filed_on', name=op.f('ck_change_effective_after_filing')),
    sa.ForeignKeyConstraint(['department_id'], ['department.id'], name=op.f('fk_change_department_id')),
    sa.ForeignKeyConstraint(['proposed_by_id'], ['ab_user.id'], name=op.f('fk_change_proposed_by_id')),
    sa.ForeignKeyConstraint(['reviewed_by_id'], ['ab_user.id'], name=op.f('fk_change_reviewed_by_id')),
    sa.ForeignKeyConstraint(['successor_id'], ['department.id'], name=op.f('fk_change_successor_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_change')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('change', schema=None) as batch_op:
        batch_op.create_index('ix_change_department_id_state', ['department_id', 'state'], unique=False)
        batch_op.create_index(batch_op.f('ix_change_proposed_by_id'), ['proposed_by_id'], unique=False)
        batch_op.create_index('ix_change_subject_type_subject_id', ['subject_type', 'subject_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_change_successor_id'), ['successor_id'], unique=False)

    op.create_table('list_entry',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('list_id', models.base.Identity, nullable=False),
    sa.Column('catalogue_item_id', models.base.Identity, nullable=False),
    sa.Column('remark', sa.String(length=200), nullable=True),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['catalogue_item_id'], ['catalogue_item.id'], name=op.f('fk_list_entry_catalogue_item_id')),
    sa.ForeignKeyConstraint(['list_id'], ['service_list.id'], name=op.f('fk_list_entry_list_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_list_entry')),
    sa.UniqueConstraint('list_id', 'catalogue_item_id', name=op.f('uq_list_entry_list_id_catalogue_item_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('list_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_list_entry_catalogue_item_id'), ['catalogue_item_id'], unique=False)

    op.create_table('participant',
    sa.Column('id', models.base.Identity, nullable=False),
    sa.Column('item_id', models.base.Identity, nullable=False),
    sa.Column('participant_id', models.base.Identity, nullable=False),
    sa.Column('part', sa.String(length=200), nullable=True),
    sa.Column('department_id', models.base.Identity, nullable=False),
    sa.Column('created_at', models.base.Moment(), nullable=False),
    sa.Column('created_by_id', sa.Integer(), nullable=True),
    sa.Column('changed_at', models.base.Moment(), nullable=False),
    sa.Column('changed_by_id', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['department_id'], ['department.id'], name=op.f('fk_participant_department_id')),
    sa.ForeignKeyConstraint(['item_id'], ['item.id'], name=op.f('fk_participant_item_id')),
    sa.ForeignKeyConstraint(['participant_id'], ['department.id'], name=op.f('fk_participant_participant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_participant')),
    sa.UniqueConstraint('item_id', 'participant_id', name=op.f('uq_participant_item_id_participant_id')),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('participant', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_participant_department_id'), ['department_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_participant_participant_id'), ['participant_id'], unique=False)

    for table in ('catalogue_item', 'item'):
        add(table, 'service_class', chosen(table, 'service_class', 'serviceclass', SERVICE_CLASSES))
        add(table, 'materials', 'TEXT')
        add(table, 'secret', 'BOOLEAN DEFAULT FALSE NOT NULL')
    # What stood in the catalogue was in force, and is taken to come from above.
    add('catalogue_item', 'source', "VARCHAR(40) DEFAULT 'above' NOT NULL " + checked('catalogue_item', 'source', 'cataloguesource', ('above', 'here')))
    add('catalogue_item', 'department_id', f'{ID[op.get_bind().dialect.name]} CONSTRAINT fk_catalogue_item_department_id REFERENCES department (id)')
    add('catalogue_item', 'in_force_from', 'DATE')
    add('catalogue_item', 'ended_on', 'DATE')
    op.create_index('ix_catalogue_item_department_id', 'catalogue_item', ['department_id'])
    add('item', 'long_handled', 'BOOLEAN DEFAULT FALSE NOT NULL')
    add('item', 'basis_due', 'DATE')
    add('item', 'online_depth', chosen('item', 'online_depth', 'onlinedepth', ('1', '2', '3', '4')))
    for table, name, old, new in RULES:
        exchange(table, name, old, new)


def downgrade() -> None:
    for table, name, old, new in RULES:
        exchange(table, name, new, old)
    op.drop_index('ix_catalogue_item_department_id', 'catalogue_item')
    for table, names in COLUMNS.items():
        for name in names:
            op.execute(f'ALTER TABLE {table} DROP COLUMN {name}')
    for table in ('participant', 'list_entry', 'change', 'service_list'):
        op.drop_table(table)
