"""What must hold before anything is signed, provable again by a consumer without torch."""
