-- Seats are counted at every activation, also those of a license that has ten thousand: from the index alone.
DROP INDEX seat_of_license;
CREATE INDEX seat_of_license ON seat (license_id, state, counted);
